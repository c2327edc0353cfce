import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * The two HTTP clients of the JDK, each as its documentation opens it: nothing is said about a proxy but by the environment.
 *
 * java Clients CLIENT (OP URL COUNT)...
 *
 * Prints a line of JSON for each request. What the operations are is written in ../README.md.
 */
public final class Clients {
    private static final int DEADLINE_MS = 30_000;
    private static final int PAUSE_MS = 50;
    private static final int MOST = 5000;
    private static final File ENOUGH = new File("/tmp/enough");

    private record Answer(int status, String text) {}

    private interface Client {
        /** body null: GET; release not null: asked for once the first bytes are there. */
        Answer ask(String url, byte[] body, String release) throws Exception;
    }

    private static final class Modern implements Client {
        private final HttpClient client;

        Modern(HttpClient client) {
            this.client = client;
        }

        public Answer ask(String url, byte[] body, String release) throws Exception {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofMillis(DEADLINE_MS));
            if (body != null) request.POST(HttpRequest.BodyPublishers.ofByteArray(body));
            HttpResponse<InputStream> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
            return new Answer(answer.statusCode(), read(answer.body(), release, this));
        }
    }

    private static final class Classic implements Client {
        public Answer ask(String url, byte[] body, String release) throws Exception {
            HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
            connection.setConnectTimeout(DEADLINE_MS);
            connection.setReadTimeout(DEADLINE_MS);
            if (body != null) {
                connection.setDoOutput(true);
                connection.setFixedLengthStreamingMode(body.length);
                connection.getOutputStream().write(body);
            }
            int status = connection.getResponseCode();
            InputStream stream = status < 400 ? connection.getInputStream() : connection.getErrorStream();
            return new Answer(status, stream == null ? "" : read(stream, release, this));
        }
    }

    private static String read(InputStream stream, String release, Client client) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        byte[] piece = new byte[65_536];
        String wanted = release;
        for (int count = stream.read(piece); count >= 0; count = stream.read(piece)) {
            bytes.write(piece, 0, count);
            if (wanted == null || count == 0) continue;
            client.ask(wanted, null, null);
            wanted = null;
        }
        stream.close();
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') quoted.append('\\').append(letter);
            else if (letter < ' ') quoted.append(String.format("\\u%04x", (int) letter));
            else quoted.append(letter);
        }
        return quoted.append('"').toString();
    }

    private static Client open(String name) {
        return switch (name) {
            case "java-http-client" -> new Modern(HttpClient.newHttpClient());
            case "java-http-client-1.1" ->
                new Modern(HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build());
            case "java-url-connection" -> new Classic();
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** Whether another request is due after so many. */
    private static boolean more(String op, int done, int count) {
        if (op.equals("paced")) return done < count || (done < MOST && !ENOUGH.exists());
        return done < (op.equals("get") ? count : 1);
    }

    public static void main(String[] args) throws Exception {
        Client client = open(args[0]);
        for (int index = 1; index + 2 < args.length; index += 3) {
            String op = args[index];
            String url = args[index + 1];
            int count = Integer.parseInt(args[index + 2]);
            for (int done = 0; more(op, done, count); done++) {
                byte[] body = op.equals("post") ? "x".repeat(count).getBytes(StandardCharsets.US_ASCII) : null;
                String release = op.equals("stream") ? url.replace("/stream/", "/release/") : null;
                String said;
                try {
                    Answer answer = client.ask(url, body, release);
                    said = "\"status\":" + answer.status() + ",\"text\":" + quoted(answer.text());
                } catch (Exception error) {
                    said = "\"error\":" + quoted(error.toString());
                }
                System.out.println("{\"op\":" + quoted(op) + "," + said + "}");
                System.out.flush();
                if (op.equals("paced")) Thread.sleep(PAUSE_MS);
            }
        }
        System.exit(0);
    }
}
