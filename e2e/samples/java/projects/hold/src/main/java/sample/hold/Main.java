package sample.hold;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;

/** Serves on the port that its first argument names; starts the command that follows, if there is one. */
public class Main {
  public static void main(String[] arguments) throws IOException {
    if (arguments.length > 1) {
      String[] command = Arrays.copyOfRange(arguments, 1, arguments.length);
      new ProcessBuilder(command).inheritIO().start();
    }
    try (ServerSocket server = new ServerSocket(Integer.parseInt(arguments[0]))) {
      while (true) {
        try (Socket client = server.accept()) {
          client.getOutputStream().write("HTTP/1.0 200 OK\r\n\r\nhello".getBytes());
        }
      }
    }
  }
}
