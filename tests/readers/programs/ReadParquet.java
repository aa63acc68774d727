import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.Type;

/** parquet-java without anything on top: each value as the stringifier of its logical type prints it. */
public final class ReadParquet {
    private static final DateTimeFormatter MOMENT = DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss.SSSSSSSSS");

    public static void main(String[] paths) {
        for (String path : paths) {
            try {
                System.out.println(read(path));
            } catch (Throwable error) {
                System.out.println("{\"file\": " + quoted(path) + ", \"error\": " + quoted(String.valueOf(error)) + "}");
            }
        }
    }

    private static String read(String path) throws Exception {
        Type type;
        Configuration configuration = new Configuration();
        try (ParquetFileReader reader =
                ParquetFileReader.open(HadoopInputFile.fromPath(new Path(path), configuration))) {
            type = reader.getFileMetaData().getSchema().getType("v");
        }
        List<String> values = new ArrayList<>();
        try (ParquetReader<Group> reader = ParquetReader.builder(new GroupReadSupport(), new Path(path)).build()) {
            for (Group row = reader.read(); row != null; row = reader.read()) {
                values.add(value(row, type));
            }
        }
        String name = type.isPrimitive()
                ? type.asPrimitiveType().getPrimitiveTypeName()
                        + (type.getLogicalTypeAnnotation() == null ? "" : " " + type.getLogicalTypeAnnotation())
                : "LIST";
        return "{\"file\": " + quoted(path) + ", \"type\": " + quoted(name) + ", \"values\": ["
                + String.join(", ", values) + "]}";
    }

    private static String value(Group row, Type type) {
        if (row.getFieldRepetitionCount("v") == 0) {
            return "null";
        }
        if (type.isPrimitive()) {
            return quoted(text(row, "v", 0, type.asPrimitiveType()));
        }
        Group list = row.getGroup("v", 0);
        GroupType repeated = type.asGroupType().getType(0).asGroupType();
        List<String> items = new ArrayList<>();
        for (int at = 0; at < list.getFieldRepetitionCount(0); at++) {
            Group item = list.getGroup(0, at);
            items.add(item.getFieldRepetitionCount(0) == 0
                    ? "null"
                    : quoted(text(item, repeated.getFieldName(0), 0, repeated.getType(0).asPrimitiveType())));
        }
        return "[" + String.join(", ", items) + "]";
    }

    private static String text(Group group, String field, int at, PrimitiveType type) {
        switch (type.getPrimitiveTypeName()) {
            case BOOLEAN:
                return type.stringifier().stringify(group.getBoolean(field, at));
            case INT32:
                return type.stringifier().stringify(group.getInteger(field, at));
            case INT64:
                return type.stringifier().stringify(group.getLong(field, at));
            case FLOAT:
                return type.stringifier().stringify(group.getFloat(field, at));
            case DOUBLE:
                return type.stringifier().stringify(group.getDouble(field, at));
            case INT96:
                return moment(group.getInt96(field, at).toByteBuffer().order(ByteOrder.LITTLE_ENDIAN));
            case BINARY:
                if (type.getLogicalTypeAnnotation() == null) {
                    return HexFormat.of().formatHex(group.getBinary(field, at).getBytes());
                }
                return type.stringifier().stringify(group.getBinary(field, at));
            default:
                return type.stringifier().stringify(group.getBinary(field, at));
        }
    }

    /** Nanoseconds of the day and the Julian day, as Hive has it. */
    private static String moment(ByteBuffer bytes) {
        long nanos = bytes.getLong();
        long days = bytes.getInt() - 2440588L;
        return LocalDate.ofEpochDay(days).atTime(LocalTime.ofNanoOfDay(nanos)).format(MOMENT);
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char each : text.toCharArray()) {
            if (each == '"' || each == '\\') {
                out.append('\\').append(each);
            } else if (each < 0x20 || each > 0x7e) {
                out.append(String.format("\\u%04x", (int) each));
            } else {
                out.append(each);
            }
        }
        return out.append('"').toString();
    }
}
