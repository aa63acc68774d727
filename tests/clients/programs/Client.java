import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Java's two clients; lines of standard input and output as in client.mjs. The argument names the client and what reads
 * the body. Without a JSON library here: the lines are the harness's own, their texts need no escapes.
 */
public final class Client {
    private static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private record Answer(int status, byte[] body) {}

    private static Answer get(String way, String url, boolean close) throws Exception {
        switch (way) {
            case "HttpClient.ofByteArray" -> {
                var answer = CLIENT.send(request(url), HttpResponse.BodyHandlers.ofByteArray());
                return new Answer(answer.statusCode(), answer.body());
            }
            case "HttpClient.ofFile" -> {
                Path target = Files.createTempFile("client", "");
                try {
                    var answer = CLIENT.send(request(url), HttpResponse.BodyHandlers.ofFile(target));
                    return new Answer(answer.statusCode(), Files.readAllBytes(target));
                } finally {
                    Files.delete(target);
                }
            }
            default -> {
                var connection = (HttpURLConnection) new URL(url).openConnection();
                if (close) {
                    connection.setRequestProperty("Connection", "close");
                }
                int status = connection.getResponseCode();
                try (InputStream body = connection.getInputStream()) {
                    return new Answer(status, body.readAllBytes());
                }
            }
        }
    }

    private static HttpRequest request(String url) {
        return HttpRequest.newBuilder(URI.create(url)).build();
    }

    private static String text(String line, String name) {
        Matcher found = Pattern.compile("\"" + name + "\": \"([^\"]*)\"").matcher(line);
        return found.find() ? found.group(1) : null;
    }

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            try {
                if (text(line, "warm") != null) {
                    get(arguments[0], text(line, "warm"), false);
                }
                Answer answer = get(arguments[0], text(line, "url"), line.contains("\"close\": true"));
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(answer.body());
                System.out.printf(
                        "{\"status\": %d, \"bytes\": %d, \"sha256\": \"%s\"}%n",
                        answer.status(), answer.body().length, HexFormat.of().formatHex(digest));
            } catch (Exception error) {
                String words = String.valueOf(error).replaceAll("[^ -~]|[\"\\\\]", " ");
                System.out.println("{\"error\": \"" + words + "\"}");
            }
            System.out.flush();
        }
        System.exit(0);
    }
}
