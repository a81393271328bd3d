package sample;

import io.vertx.core.Vertx;

public class Main {
  public static void main(String[] arguments) {
    Vertx.vertx().createHttpServer().requestHandler(request -> request.response().end("hello")).listen(8080);
  }
}
