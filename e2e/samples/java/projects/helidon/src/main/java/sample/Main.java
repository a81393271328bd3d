package sample;

import io.helidon.webserver.Routing;
import io.helidon.webserver.WebServer;

public class Main {
  public static void main(String[] arguments) {
    Routing routing = Routing.builder().get("/", (request, response) -> response.send("hello")).build();
    WebServer.builder().port(8080).addRouting(routing).build().start();
  }
}
