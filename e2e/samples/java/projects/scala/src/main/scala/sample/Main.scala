package sample

import com.sun.net.httpserver.HttpServer
import java.net.InetSocketAddress

@main def serve(): Unit =
  val server = HttpServer.create(InetSocketAddress(8080), 0)
  server.createContext("/", exchange =>
    val answer = List("hel", "lo").mkString.getBytes
    exchange.sendResponseHeaders(200, answer.length)
    exchange.getResponseBody.write(answer)
    exchange.close()
  )
  server.start()
