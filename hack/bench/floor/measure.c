/*
 * Wall time of a fresh program that is pinned to one processor, in nanoseconds, on standard output. Measures from
 * another processor.
 *   measure CPU run PROGRAM [ARGUMENT...]        from its start to its end
 *   measure CPU ask PORT PROGRAM [ARGUMENT...]   from its start until it has answered, with one line, what standard
 *                                                input says; the line follows the time; the program is ended then
 *   measure CPU again PORT PROGRAM [ARGUMENT...] the same, but asked twice, and only the second time is measured
 * What the program itself prints is lost.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Real-time priority where it is allowed, so that whatever else the machine does stays out of the figures. */
static void alone_on(int cpu) {
  cpu_set_t set;
  struct sched_param first = {.sched_priority = 1};
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set)) fail("sched_setaffinity");
  sched_setscheduler(0, SCHED_FIFO, &first);
}

static pid_t start(int cpu, char **command) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child > 0) return child;
  alone_on(cpu);
  int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, 1);
  dup2(nowhere, 2);
  execv(command[0], command);
  _exit(127);
}

static int connected(int port, pid_t child) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  long long deadline = now() + 5000000000LL;
  while (now() < deadline) {
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer < 0) fail("socket");
    if (connect(peer, (struct sockaddr *)&address, sizeof address) == 0) return peer;
    close(peer);
    if (waitpid(child, NULL, WNOHANG) == child) break;
    /* The kernel has work to do on this processor, too. */
    struct timespec pause = {.tv_nsec = 20000};
    nanosleep(&pause, NULL);
  }
  fprintf(stderr, "measure: nothing listens on port %d\n", port);
  kill(child, SIGKILL);
  exit(1);
}

/* How long the answer is, of which the first line is kept. */
static size_t ask(int peer, const char *text, size_t length, char *line, size_t room) {
  for (size_t sent = 0; sent < length;) {
    ssize_t n = write(peer, text + sent, length - sent);
    if (n < 0) fail("write");
    sent += n;
  }
  shutdown(peer, SHUT_WR);
  size_t got = 0;
  while (got < room - 1) {
    ssize_t n = read(peer, line + got, room - 1 - got);
    if (n <= 0) break;
    got += n;
    if (memchr(line, '\n', got)) break;
  }
  close(peer);
  return got;
}

int main(int count, char **words) {
  if (count < 4) return 2;
  int cpu = atoi(words[1]);
  alone_on(cpu == 0);
  if (strcmp(words[2], "run") == 0) {
    int status;
    long long begun = now();
    pid_t child = start(cpu, words + 3);
    if (waitpid(child, &status, 0) != child || status != 0) return 1;
    printf("%lld\n", now() - begun);
    return 0;
  }
  int again = strcmp(words[2], "again") == 0;
  if ((!again && strcmp(words[2], "ask") != 0) || count < 5) return 2;
  static char text[1 << 20];
  size_t length = fread(text, 1, sizeof text, stdin);
  char line[4096];
  long long begun = now();
  pid_t child = start(cpu, words + 4);
  size_t got = ask(connected(atoi(words[3]), child), text, length, line, sizeof line);
  if (again) {
    begun = now();
    got = ask(connected(atoi(words[3]), child), text, length, line, sizeof line);
  }
  long long took = now() - begun;
  kill(child, SIGTERM);
  usleep(1000);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  line[got] = 0;
  printf("%lld\n%s", took, line);
  return got > 0 ? 0 : 1;
}
