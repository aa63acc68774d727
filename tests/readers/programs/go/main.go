// Prints what parquet-go sees in the column v of each file, a line of JSON for each.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

type answer struct {
	File   string `json:"file"`
	Type   string `json:"type,omitempty"`
	Values []any  `json:"values,omitempty"`
	Error  string `json:"error,omitempty"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for _, path := range os.Args[1:] {
		out.Encode(read(path))
	}
}

func read(path string) (found answer) {
	found.File = path
	defer func() {
		if panicked := recover(); panicked != nil {
			found = answer{File: path, Error: fmt.Sprint(panicked)}
		}
	}()
	if err := values(path, &found); err != nil {
		return answer{File: path, Error: err.Error()}
	}
	return found
}

func values(path string, found *answer) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	opened, err := parquet.OpenFile(file, stat.Size())
	if err != nil {
		return err
	}
	column := opened.Root().Column("v")
	list := !column.Leaf()
	leaf := column
	for !leaf.Leaf() {
		leaf = leaf.Columns()[0]
	}
	found.Type = leaf.Type().String()
	if list {
		found.Type = "LIST of " + found.Type
	}
	for _, group := range opened.RowGroups() {
		rows := group.Rows()
		defer rows.Close()
		buffer := make([]parquet.Row, 16)
		for {
			count, err := rows.ReadRows(buffer)
			for _, row := range buffer[:count] {
				found.Values = append(found.Values, ofRow(row, leaf, list))
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// The last levels of a list: 3 is an element, 2 a NULL among them, 1 an empty list, 0 no list.
func ofRow(row parquet.Row, leaf *parquet.Column, list bool) any {
	items := []any{}
	for _, value := range row {
		if value.Column() != leaf.Index() {
			continue
		}
		if !list {
			return text(value, leaf.Type())
		}
		switch value.DefinitionLevel() {
		case 0:
			return nil
		case 1:
			return items
		default:
			items = append(items, text(value, leaf.Type()))
		}
	}
	return items
}

func text(value parquet.Value, kind parquet.Type) any {
	if value.IsNull() {
		return nil
	}
	if logical := kind.LogicalType(); logical != nil {
		switch named := logical.Value.(type) {
		case *format.UUIDType:
			b := value.ByteArray()
			return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		case *format.DateType:
			return time.Unix(int64(value.Int32())*86400, 0).UTC().Format("2006-01-02")
		case *format.TimestampType:
			units := time.Second / named.Unit.Value.Duration()
			at, rest := value.Int64()/int64(units), value.Int64()%int64(units)
			return time.Unix(at, rest*int64(named.Unit.Value.Duration())).UTC().Format("2006-01-02 15:04:05.000000")
		case *format.TimeType:
			return time.UnixMicro(value.Int64()).UTC().Format("15:04:05.000000")
		case *format.DecimalType:
			return decimal(value, int(named.Scale))
		case *format.StringType, *format.JsonType:
			return string(value.ByteArray())
		}
	}
	switch value.Kind() {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return hex.EncodeToString(value.ByteArray())
	case parquet.Int96:
		return int96(value.Int96())
	case parquet.Float:
		return strconv.FormatFloat(float64(value.Float()), 'g', -1, 32)
	case parquet.Double:
		return strconv.FormatFloat(value.Double(), 'g', -1, 64)
	}
	return value.String()
}

func int96(value deprecated.Int96) string {
	nanos := int64(value[1])<<32 | int64(value[0])
	return time.Unix((int64(value[2])-2440588)*86400, nanos).UTC().Format("2006-01-02 15:04:05.000000")
}

func decimal(value parquet.Value, scale int) string {
	unscaled := new(big.Int)
	switch value.Kind() {
	case parquet.Int32:
		unscaled.SetInt64(int64(value.Int32()))
	case parquet.Int64:
		unscaled.SetInt64(value.Int64())
	default:
		bytes := value.ByteArray()
		unscaled.SetBytes(bytes)
		if len(bytes) > 0 && bytes[0] >= 0x80 {
			unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*len(bytes))))
		}
	}
	ratio := new(big.Rat).SetFrac(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	return ratio.FloatString(scale)
}
