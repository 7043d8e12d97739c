package gebus.bench;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Set;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.streams.kstream.ValueJoiner;

/** Makes the record that the feed selects of two that belong together; used by one thread. */
final class Pair implements ValueJoiner<byte[], byte[], byte[]> {
  private static final int ENVELOPE = 8;

  private final boolean table;
  private final byte[] header;
  private final Side left;
  private final Side right;
  private final int[] fromLeft;
  private final int[] fromRight;
  private final GenericDatumWriter<GenericRecord> writer;
  private final GenericRecord joined;
  private final ByteArrayOutputStream buffer = new ByteArrayOutputStream();
  private BinaryEncoder encoder;

  /** One side's records, each into the same object. */
  private static final class Side {
    private final GenericDatumReader<GenericRecord> reader;
    private BinaryDecoder decoder;
    private GenericRecord record;

    Side(Schema schema) {
      reader = new GenericDatumReader<>(schema);
    }

    GenericRecord read(byte[] value) throws IOException {
      decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, decoder);
      record = reader.read(record, decoder);
      return record;
    }
  }

  /** With `table`, the right side is a row of a table: the record's revision is the left side's. */
  Pair(Bench bench, boolean table, Set<String> blank) {
    this.table = table;
    header = bench.header();
    left = new Side(bench.schema(0));
    right = new Side(bench.schema(1));
    Schema feed = bench.feedSchema();
    fromLeft = new int[feed.getFields().size()];
    fromRight = new int[feed.getFields().size()];
    for (Schema.Field field : feed.getFields()) {
      fromLeft[field.pos()] = place(bench.schema(0), field.name(), blank);
      fromRight[field.pos()] = place(bench.schema(1), field.name(), blank);
    }
    writer = new GenericDatumWriter<>(feed);
    joined = new GenericData.Record(feed);
  }

  private static int place(Schema schema, String name, Set<String> blank) {
    Schema.Field field = schema.getField(name);
    return field == null || blank.contains(name) ? -1 : field.pos();
  }

  @Override
  public byte[] apply(byte[] leftValue, byte[] rightValue) {
    try {
      GenericRecord one = left.read(leftValue);
      GenericRecord other = right.read(rightValue);
      envelope(one, other);
      for (int place = ENVELOPE; place < fromLeft.length; place++) {
        if (fromLeft[place] >= 0) {
          joined.put(place, one.get(fromLeft[place]));
        } else if (fromRight[place] >= 0) {
          joined.put(place, other.get(fromRight[place]));
        }
      }
      buffer.reset();
      buffer.write(header);
      encoder = EncoderFactory.get().binaryEncoder(buffer, encoder);
      writer.write(joined, encoder);
      encoder.flush();
      return buffer.toByteArray();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private void envelope(GenericRecord one, GenericRecord other) {
    long revision = (Long) one.get(2) + (table ? 0 : (Long) other.get(2));
    boolean retracted = one.get(3).toString().equals("RETRACTED") || other.get(3).toString().equals("RETRACTED");
    joined.put(0, one.get(0) + ":" + other.get(0));
    joined.put(1, table ? one.get(1) : one.get(1) + ":" + other.get(1));
    joined.put(2, revision);
    joined.put(3, retracted ? "RETRACTED" : revision > 0 ? "CORRECTED" : "ASSERTED");
    joined.put(4, Math.max((Long) one.get(4), (Long) other.get(4)));
    joined.put(5, Math.max((Long) one.get(5), (Long) other.get(5)));
    joined.put(6, one.get(6));
    joined.put(7, one.get(7));
  }
}
