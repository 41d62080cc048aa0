// The AWS SDK for Java as a client of keyfob. It is told nothing but its environment.
//
//     Client credentials              what the default chain finds
//     Client identity                 who STS says that is
//     Client loop SECONDS PAUSE_MS    the same client asks STS again and again
//
// Each prints one line of JSON; a failure is {"error", "message"} and exit status 1.

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.services.sts.StsClient;

class Client {
    static Map<String, Object> credentials() {
        var found = DefaultCredentialsProvider.builder().build().resolveCredentials();
        var said = new LinkedHashMap<String, Object>();
        said.put("AccessKeyId", found.accessKeyId());
        said.put("account", found.accountId().orElse(null));
        said.put("expiration", found.expirationTime().map(at -> at.truncatedTo(ChronoUnit.SECONDS)).orElse(null));
        return said;
    }

    static Map<String, Object> identity() {
        try (var client = StsClient.create()) {
            var me = client.getCallerIdentity();
            return Map.of("account", me.account(), "arn", me.arn());
        }
    }

    static Map<String, Object> loop(double seconds, long pauseMs) throws InterruptedException {
        var said = new LinkedHashMap<String, Object>();
        try (var client = StsClient.create()) {
            Instant end = null;
            long calls = 0, failures = 0;
            String first = null;
            // Time counts from the first answer: until then it is Java that starts.
            while (end == null || Instant.now().isBefore(end)) {
                calls++;
                try {
                    client.getCallerIdentity();
                } catch (RuntimeException error) {
                    failures++;
                    first = first == null ? why(error) : first;
                }
                end = end == null ? Instant.now().plus(Duration.ofMillis((long) (seconds * 1000))) : end;
                Thread.sleep(pauseMs);
            }
            said.put("calls", calls);
            said.put("failures", failures);
            said.put("first", first);
            return said;
        }
    }

    /** The SDK's message does not name AWS's code. */
    static String why(Exception error) {
        if (error instanceof AwsServiceException refused && refused.awsErrorDetails() != null) {
            return refused.awsErrorDetails().errorCode() + ": " + error.getMessage();
        }
        return String.valueOf(error.getMessage());
    }

    static Map<String, Object> run(String... words) throws InterruptedException {
        return switch (words[0] + words.length) {
            case "credentials1" -> credentials();
            case "identity1" -> identity();
            case "loop3" -> loop(Double.parseDouble(words[1]), Long.parseLong(words[2]));
            default -> throw new IllegalArgumentException("wanted: credentials, identity, or loop SECONDS PAUSE_MS");
        };
    }

    static String json(Object value) {
        if (value == null || value instanceof Number) {
            return String.valueOf(value);
        }
        var text = value.toString().replace("\\", "\\\\").replace("\"", "\\\"");
        return '"' + text.chars().mapToObj(c -> c < ' ' ? " " : Character.toString(c)).collect(Collectors.joining()) + '"';
    }

    public static void main(String[] words) {
        Map<String, Object> said;
        int status = 0;
        try {
            said = run(words);
        } catch (Exception error) {
            said = Map.of("error", error.getClass().getSimpleName(), "message", why(error));
            status = 1;
        }
        var fields = said.entrySet().stream().map(one -> json(one.getKey()) + ": " + json(one.getValue()));
        System.out.println(fields.collect(Collectors.joining(", ", "{", "}")));
        System.exit(status);
    }
}
