/** A Java program that does nothing until it is ended. */
public class Hold {
  public static void main(String[] words) throws InterruptedException {
    Thread.currentThread().join();
  }
}
