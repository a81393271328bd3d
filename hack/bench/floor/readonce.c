/* The least that searching a file costs: reads each file given once, from its start to its end. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **paths) {
  static char window[256 * 1024];
  for (int i = 1; i < count; i++) {
    int file = open(paths[i], O_RDONLY | O_CLOEXEC);
    ssize_t n;
    if (file < 0) {
      perror(paths[i]);
      return 1;
    }
    while ((n = read(file, window, sizeof window)) > 0) continue;
    if (n < 0 || close(file)) return 1;
  }
  return 0;
}
