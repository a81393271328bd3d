/** Does nothing until it is told to end. */
public class Hold {
    public static void main(String[] args) throws InterruptedException {
        Thread.sleep(Long.MAX_VALUE);
    }
}
