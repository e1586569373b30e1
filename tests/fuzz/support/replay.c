/* replay.c: the main of a fuzz target where there is no libFuzzer: runs every file that is named, and every file of a
 * directory that is named, through the target once. The last line is "N inputs". */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/fuzz/support/fuzz.h"

static unsigned long inputs;

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return perror(path), 1;
    PM_CLEANUP(pm_buf_release) struct pm_buf bytes = {0};
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, file)) > 0;) pm_buf_bytes(&bytes, piece, n);
    fclose(file);
    struct pm_slice exact = fuzz_exact(pm_buf_slice(&bytes));
    fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
    LLVMFuzzerTestOneInput((const uint8_t *)exact.ptr, exact.len);
    fuzz_free(exact);
    inputs++;
    return 0;
}

static int run_directory(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) return perror(path), 1;
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        PM_CLEANUP(pm_buf_release) struct pm_buf file = {0};
        pm_buf_printf(&file, "%s/%s", path, entry->d_name);
        failed |= run_file(file.ptr);
    }
    closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool directory = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        failed |= directory ? run_directory(argv[i]) : run_file(argv[i]);
    }
    printf("%lu inputs\n", inputs);
    return failed;
}
