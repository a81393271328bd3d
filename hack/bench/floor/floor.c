/*
 * The least that looking into a container costs: for each process ID given, fork, enter its pid and mount namespaces,
 * read the start of /etc/os-release, read the link to its executable, and wait for the fork.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void look(const char *pid) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%s/ns/pid", pid);
  int pids = open(path, O_RDONLY | O_CLOEXEC);
  snprintf(path, sizeof path, "/proc/%s/ns/mnt", pid);
  int mounts = open(path, O_RDONLY | O_CLOEXEC);
  snprintf(path, sizeof path, "/proc/%s/exe", pid);
  if (pids < 0 || mounts < 0 || readlink(path, text, sizeof text) < 0) _exit(2);
  if (setns(pids, CLONE_NEWPID) || setns(mounts, CLONE_NEWNS)) _exit(3);
  int file = open("/etc/os-release", O_RDONLY | O_CLOEXEC);
  if (file < 0 || read(file, text, sizeof text) <= 0 || close(file)) _exit(4);
  _exit(0);
}

int main(int count, char **pids) {
  for (int i = 1; i < count; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) look(pids[i]);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
      fprintf(stderr, "floor: process %s cannot be looked into\n", pids[i]);
      return 1;
    }
  }
  return 0;
}
