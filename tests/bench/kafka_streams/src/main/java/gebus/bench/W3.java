package gebus.bench;

import java.util.Set;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.Produced;

/** W3 on Kafka Streams: the table's rows lie in its store as they came; pairs alone are decoded. */
public final class W3 {
  /** Run until the process is told to end. */
  public static void main(String[] arguments) throws Exception {
    Bench bench = new Bench(arguments);
    Serde<byte[]> bytes = Serdes.ByteArray();
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(bench.source(0), Consumed.with(bytes, bytes))
        .join(
            builder.table(bench.source(1), Consumed.with(bytes, bytes)),
            new Pair(bench, true, Set.of("seller_phone")),
            Joined.with(bytes, bytes, bytes))
        .to(bench.output(), Produced.with(bytes, bytes));
    bench.run(builder);
  }
}
