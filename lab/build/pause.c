/* The pause container: holds a pod's namespaces, ends when told, and reaps what its pod's containers leave behind.
   With -v it ends at once: so `kubeadm upgrade` checks that the cluster can run a Job. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal_number) { (void)signal_number; _exit(0); }

static void reap(int signal_number) {
    (void)signal_number;
    while (waitpid(-1, 0, WNOHANG) > 0) {}
}

int main(int count, char **arguments) {
    if (count > 1 && !strcmp(arguments[1], "-v")) return 0;
    struct sigaction ending = {.sa_handler = end};
    struct sigaction reaping = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    if (sigaction(SIGINT, &ending, 0) || sigaction(SIGTERM, &ending, 0) || sigaction(SIGCHLD, &reaping, 0)) return 1;
    for (;;) pause();
}
