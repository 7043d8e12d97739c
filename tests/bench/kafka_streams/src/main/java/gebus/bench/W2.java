package gebus.bench;

import java.time.Duration;
import java.util.Set;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;

/** W2 on Kafka Streams: the two streams' records lie in the window stores as they came; pairs alone are decoded. */
public final class W2 {
  /** Run until the process is told to end. */
  public static void main(String[] arguments) throws Exception {
    Bench bench = new Bench(arguments);
    Serde<byte[]> bytes = Serdes.ByteArray();
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(bench.source(0), Consumed.with(bytes, bytes))
        .join(
            builder.stream(bench.source(1), Consumed.with(bytes, bytes)),
            new Pair(bench, false, Set.of("passenger_name")),
            JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofDays(14)),
            StreamJoined.with(bytes, bytes, bytes))
        .to(bench.output(), Produced.with(bytes, bytes));
    bench.run(builder);
  }
}
