import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A Java program with a memory map of tens of thousands of lines that does nothing until it is ended. */
public class Wide {
  private static final int LINES = 30_000;
  /** Every other page, since the kernel joins neighbours. */
  private static final int STRIDE = 2 * 4096;

  public static void main(String[] words) throws IOException, InterruptedException {
    List<Path> files;
    try (var jars = Files.list(Path.of("/app/lib"))) {
      files = jars.sorted().toList();
    }
    List<MappedByteBuffer> held = new ArrayList<>();
    for (Path file : files) {
      try (var channel = FileChannel.open(file)) {
        for (int line = 0; line < LINES / files.size(); line++) {
          held.add(channel.map(FileChannel.MapMode.READ_ONLY, (long) line * STRIDE, 4096));
        }
      }
    }
    Thread.currentThread().join();
  }
}
