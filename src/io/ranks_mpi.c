/* The program dkvb-mpi: the commands of dkvb, run by all ranks of an MPI job together. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mpi.h>
#include <xxhash.h>

#include <dkvb/mpi.h>

#include "io/args.h"
#include "io/ranks.h"
#include "tool.h"

enum {
    DIGESTED = 1 << 20,
    /* DIGESTED: number of bytes at the beginning of a file that are compared between ranks; PIECE: largest number of
     * bytes of a file in one broadcast */
    PIECE = 16 << 20
};

const char ranks_program[] = "dkvb-mpi";
const char ranks_usage[] =
    "\n"
    "Each rank of an MPI job runs the same command: mpirun -n 4 dkvb-mpi train ...\n"
    "  --silence N         in front of COMMAND: seconds after which a silent rank counts as lost (default 15; 0: "
    "never)\n"
    "  --broadcast-inputs  rank 0 reads the files; ranks that do not have them get copies in memory\n"
    "  --stats             print what the busiest rank has sent and received\n";

/* The way in which a command of dkvb runs on several ranks. A command of dkvb that is missing in the table `ways` runs
 * on rank 0 only. */
enum way { SHARED = 1, REFUSED };
static const struct {
    const char *name;
    enum way way;
} ways[] = {
    {"train", SHARED}, {"eval", SHARED},   {"predict", SHARED}, {"forget", SHARED}, {"apply", SHARED},
    {"undo", SHARED},  {"purge", SHARED},  {"rename", SHARED},  {"search", SHARED}, {"separation", SHARED},
    {"audit", SHARED}, {"encode", SHARED}, {"sweep", REFUSED},  {"bench", REFUSED}, {"report", REFUSED},
};

static struct {
    dkvb_mpi *job;
    uint32_t rank, count;
    bool shared, stats, broadcast_inputs;
    char kept[1024]; /* error line of a failure, which is printed when all ranks end */
    /* folder with the input files that were copied to this rank; "" if no input file was copied */
    char folder[64];
    char **copies; /* names of the copied input files in `folder`, [copy_count] */
    size_t copy_count;
} mpi = {.count = 1};

/* The variable `over`, which signal handlers read, is true once all ranks have ended their work; the variable
 * `code_of_all` is then their common exit code. */
static atomic_bool over;
static int code_of_all;

const char *ranks_version(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING + 4];
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;

    MPI_Get_library_version(library, &length);
    snprintf(text, sizeof text, " (%.*s)", (int)strcspn(library, ",\n"), library);
    return text;
}

const dkvb_ranks *ranks_group(void)
{
    return mpi.shared ? dkvb_mpi_ranks(mpi.job) : NULL;
}

bool ranks_lead(void)
{
    return mpi.rank == 0;
}

bool ranks_keep(const char *line)
{
    if (!mpi.shared)
        return mpi.rank != 0;
    if (!mpi.kept[0])
        snprintf(mpi.kept, sizeof mpi.kept, "%s", line);
    return true;
}

int ranks_settle(int result)
{
    const dkvb_ranks *group = ranks_group();
    int32_t whole = result;

    /* after a failed broadcast the command fails with a message, and the watch thread reports the lost rank */
    if (group && group->broadcast(group->user, &whole, sizeof whole) != 0)
        return result ? result : tool_fail("rank %u of %u cannot reach the others", mpi.rank, mpi.count);
    return whole;
}

/* Writes a text to stderr by functions that a signal handler may call. */
static void write_text(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

    (void)ignored;
}

bool ranks_end_by_signal(int number)
{
    static const char text[] = "dkvb-mpi: ended by a signal, which mpirun also sends if another rank has died; each "
                               "file is whole: as it was, or as the command wrote it";
    static const char late[] = "; not heard of lately: ";
    const char *silent = "";

    (void)number;
    if (mpi.count < 2)
        return false;
    if (atomic_load(&over)) {
        dkvb_file_remove_temporaries();
        /* the signal is expected: mpirun ends all other ranks as soon as one rank has ended with a failure */
        _exit(code_of_all);
    }
    if (mpi.job)
        silent = dkvb_mpi_silent(mpi.job);
    if (mpi.rank == 0) {
        write_text(text);
        write_text(*silent ? late : "");
        write_text(silent);
        write_text("\n");
    }
    return true;
}

/* Removes temporary files that this rank would leave behind when its watch thread ends the process. */
static void leave(void *user)
{
    (void)user;
    dkvb_file_remove_temporaries();
    code_of_all = EXIT_FAILURE;
    /* as the error message is already printed, the signal handler prints none when mpirun ends the rank by a signal */
    atomic_store(&over, true);
}

static bool switch_given(const char *name)
{
    const char *value = getenv(name);

    return value && *value && strcmp(value, "0") != 0;
}

/* Takes an option of dkvb-mpi itself, which stands before the command. Returns the number of words of the option, or 0
 * if the word is not an option of dkvb-mpi. */
static int take_option(int words, char **word, const char **silence)
{
    static const char option[] = "--silence=";

    if (strcmp(word[0], "--stats") == 0)
        mpi.stats = true;
    else if (strcmp(word[0], "--broadcast-inputs") == 0)
        mpi.broadcast_inputs = true;
    else if (strncmp(word[0], option, sizeof option - 1) == 0)
        *silence = word[0] + sizeof option - 1;
    else if (strcmp(word[0], "--silence") == 0 && words > 1) {
        *silence = word[1];
        return 2;
    } else
        return 0;
    return 1;
}

/* Switches off the output of ranks other than rank 0, which prints for all ranks. */
static int be_silent(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
        return tool_fail("/dev/null: %s", strerror(errno));
    close(null);
    return EXIT_SUCCESS;
}

int ranks_begin(int *argc, char **argv)
{
    const char *silence = getenv("DKVB_MPI_SILENCE");
    dkvb_mpi_options o = DKVB_MPI_OPTIONS_INIT;
    uint64_t seconds = o.silence;
    int level, rank, count, taken, code;
    dkvb_status rc;

    mpi.stats = switch_given("DKVB_MPI_STATS");
    mpi.broadcast_inputs = switch_given("DKVB_MPI_BROADCAST_INPUTS");
    while (*argc > 1 && (taken = take_option(*argc - 1, argv + 1, &silence)) > 0) {
        /* removes an option of dkvb-mpi from argv: moves the remaining words, and the NULL at their end, forward */
        memmove(argv + 1, argv + 1 + taken, (size_t)(*argc - taken) * sizeof *argv);
        *argc -= taken;
    }
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level) != MPI_SUCCESS)
        return tool_fail("MPI cannot be initialised");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    mpi.rank = (uint32_t)rank;
    if (rank > 0 && (code = be_silent()))
        return code;
    if (silence && *silence && (!args_number(silence, &seconds) || seconds > 86400))
        return tool_misused("--silence '%.64s': must be a whole number of seconds, at most 86400, or 0 for no limit",
                            silence);
    o.silence = (uint32_t)seconds;
    o.leave = leave;
    rc = dkvb_mpi_new(&mpi.job, MPI_Comm_c2f(MPI_COMM_WORLD), &o);
    if (rc)                                       /* dkvb_mpi_new() fails on all ranks or on none, so all ranks end */
        return tool_fail("%s", dkvb_mpi_error()); /* only rank 0 prints the common error message */
    mpi.count = (uint32_t)count;
    return EXIT_SUCCESS;
}

/* Checks that a text is the same on all ranks. Returns 0 on all ranks if the text is equal everywhere; otherwise all
 * ranks return one common exit code. */
static int compare(const char *name, const char *text)
{
    dkvb_status rc = dkvb_mpi_compare(mpi.job, name, text);

    return rc == DKVB_OK ? EXIT_SUCCESS : tool_fail("%s", dkvb_mpi_error());
}

static int compare_words(int argc, char **argv)
{
    XXH64_hash_t sum = 0;
    char text[400];
    size_t at = 0;

    for (int i = 0; i < argc; i++)
        sum = XXH3_64bits_withSeed(argv[i], strlen(argv[i]) + 1, sum);
    for (int i = 0; i < argc && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? " " : "", argv[i]);
    /* A checksum is put before a text to compare, since a long text is cut. */
    memmove(text + 17, text, sizeof text - 18);
    text[sizeof text - 1] = '\0';
    snprintf(text, 17, "%016" PRIx64, (uint64_t)sum);
    text[16] = ' ';
    return compare("the command line", text);
}

/* Returns the part of a command-line word that may name an input file: the word itself, or the text after "--option=".
 * Returns NULL for a command-line word that is an option, or that names an output file, which only rank 0 needs. */
static const char *input_of(char **argv, int i)
{
    const char *before = i > 0 ? argv[i - 1] : "", *word = argv[i], *value = strchr(word, '=');
    size_t length = strlen(before);
    bool output = strcmp(before, "-o") == 0 || strcmp(before, "--output") == 0 ||
                  (strncmp(before, "--", 2) == 0 && length > 4 && strcmp(before + length - 4, "-out") == 0);

    if (output || word[0] == '\0')
        return NULL;
    if (word[0] != '-')
        return word;
    if (strncmp(word, "--", 2) != 0 || !value || strncmp(word, "--output=", 9) == 0 ||
        (value - word > 4 && strncmp(value - 4, "-out", 4) == 0))
        return NULL;
    return value + 1;
}

/* Describes the file at a path by its size and a checksum of its first MiB. */
static void describe(const char *path, char text[128])
{
    unsigned char *bytes;
    struct stat st;
    ssize_t got = -1;
    int fd;

    if (stat(path, &st) != 0) {
        snprintf(text, 128, "%s", errno == ENOENT || errno == ENOTDIR ? "no such file" : strerror(errno));
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(text, 128, "%s", S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
        return;
    }
    bytes = malloc(DIGESTED);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && bytes)
        got = pread(fd, bytes, DIGESTED, 0);
    if (got < 0)
        snprintf(text, 128, "%s", bytes ? strerror(errno) : "out of memory");
    else
        snprintf(text, 128, "%lld bytes, checksum %016" PRIx64, (long long)st.st_size,
                 (uint64_t)XXH3_64bits(bytes, (size_t)got));
    if (fd >= 0)
        close(fd);
    free(bytes);
}

/* Checks that the input files of the command are the same on all ranks: first all input files together; after a
 * difference one by one, to name the file that differs. */
static int compare_inputs(int argc, char **argv)
{
    XXH64_hash_t sum = 0;
    char text[128], all[32], name[300];
    dkvb_status rc;
    int code;

    for (int i = 1; i < argc; i++) {
        const char *path = input_of(argv, i);

        if (!path)
            continue;
        describe(path, text);
        sum = XXH3_64bits_withSeed(text, strlen(text) + 1, sum);
    }
    snprintf(all, sizeof all, "%016" PRIx64, (uint64_t)sum);
    rc = dkvb_mpi_compare(mpi.job, "inputs", all);
    if (rc != DKVB_EMISMATCH)
        return rc == DKVB_OK ? EXIT_SUCCESS : tool_fail("%s", dkvb_mpi_error());
    for (int i = 1; i < argc; i++) {
        const char *path = input_of(argv, i);

        if (!path)
            continue;
        describe(path, text);
        snprintf(name, sizeof name, "the input %.250s", path);
        code = compare(name, text);
        if (code)
            return code;
    }
    return tool_fail("the inputs of the ranks differed, and no longer do: a file was changed meanwhile");
}

/* Makes an empty file in memory for a copy of an input file. The copy of an input file has a name with the ending of
 * the input file's name, as the ending tells the file format. make_copy() returns the file descriptor of the empty
 * file, and its name in `name`; or -1 and errno if the file cannot be made. */
static int make_copy(const char *path, char **name)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char target[48];
    int fd = memfd_create("dkvb-mpi input", MFD_CLOEXEC);
    size_t size = sizeof mpi.folder + strlen(base) + 24;
    char **more = realloc(mpi.copies, (mpi.copy_count + 1) * sizeof *more);

    *name = malloc(size);
    if (more)
        mpi.copies = more;
    if (fd < 0 || !more || !*name)
        goto fail;
    if (!mpi.folder[0]) {
        const char *tmp = getenv("TMPDIR");

        snprintf(mpi.folder, sizeof mpi.folder, "%.32s/dkvb-mpi-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        if (!mkdtemp(mpi.folder)) {
            mpi.folder[0] = '\0';
            goto fail;
        }
    }
    snprintf(*name, size, "%s/%zu-%s", mpi.folder, mpi.copy_count, base);
    snprintf(target, sizeof target, "/proc/%ld/fd/%d", (long)getpid(), fd);
    if (symlink(target, *name) != 0)
        goto fail;
    mpi.copies[mpi.copy_count++] = *name;
    return fd;
fail:
    if (fd >= 0)
        close(fd);
    free(*name);
    *name = NULL;
    return -1;
}

static void remove_copies(void)
{
    for (size_t i = 0; i < mpi.copy_count; i++) {
        unlink(mpi.copies[i]);
        free(mpi.copies[i]);
    }
    free(mpi.copies);
    mpi.copies = NULL;
    mpi.copy_count = 0;
    if (mpi.folder[0])
        rmdir(mpi.folder);
    mpi.folder[0] = '\0';
}

/* Sends the bytes of an input file of rank 0 to all ranks. `to` is the file descriptor of the file into which this rank
 * copies the input file; -1 if this rank has the input file itself. */
static int send_file(const char *path, int to)
{
    const dkvb_ranks *group = dkvb_mpi_ranks(mpi.job);
    char *piece = malloc(PIECE);
    struct {
        int64_t size;
        int32_t error;
    } head = {0};
    int from = mpi.rank == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1, code = EXIT_SUCCESS;
    struct stat st;

    if (mpi.rank == 0)
        head.error = from < 0 || fstat(from, &st) != 0 ? errno : 0;
    if (mpi.rank == 0 && !head.error)
        head.size = st.st_size;
    if (!piece)
        code = tool_fail("%s: out of memory for a piece of its copy", path);
    /* If a rank fails while a file is sent, the watch thread ends the job, so the other ranks are not told. */
    if (!code && group->broadcast(group->user, &head, sizeof head) != 0)
        code = tool_fail("%s: cannot be sent to the other ranks", path);
    if (!code && head.error)
        code = tool_fail("%s: cannot open: %s", path, strerror(head.error));
    for (int64_t at = 0; !code && at < head.size; at += PIECE) {
        size_t size = head.size - at < PIECE ? (size_t)(head.size - at) : PIECE;

        if (mpi.rank == 0 && pread(from, piece, size, at) != (ssize_t)size)
            code = tool_fail("%s: cannot read: %s", path, errno ? strerror(errno) : "the file became shorter");
        else if (group->broadcast(group->user, piece, size) != 0)
            code = tool_fail("%s: cannot be sent to the other ranks", path);
        else if (to >= 0 && pwrite(to, piece, size, at) != (ssize_t)size)
            code = tool_fail("%s: the copy in memory cannot be written: %s", path, strerror(errno));
    }
    if (from >= 0)
        close(from);
    free(piece);
    return code;
}

/* Copies the input files of rank 0 to all ranks that do not have these files. */
static int broadcast_inputs(int argc, char **argv)
{
    const dkvb_ranks *group = dkvb_mpi_ranks(mpi.job);
    size_t sizes[DKVB_RANKS_COUNT];

    for (uint32_t r = 0; r < mpi.count; r++)
        sizes[r] = 1;
    for (int i = 1; i < argc; i++) {
        const char *path = input_of(argv, i);
        char here, all[DKVB_RANKS_COUNT], *name = NULL, *word;
        struct stat st;
        int fd = -1, code;

        if (!path)
            continue;
        here = stat(path, &st) == 0 && S_ISREG(st.st_mode);
        if (group->gather(group->user, &here, all, sizes) != 0)
            return tool_fail("%s: the ranks cannot be asked who has it", path);
        if (!all[0] || !memchr(all, 0, mpi.count))
            continue;
        if (!here) {
            fd = make_copy(path, &name);
            if (fd < 0)
                return tool_fail("%s: a copy in memory cannot be made: %s", path, strerror(errno));
        }
        code = send_file(path, fd);
        if (code)
            return code;
        if (!here) {
            size_t before = (size_t)(path - argv[i]), size = before + strlen(name) + 1;

            word = malloc(size); /* `word` is never freed, as it becomes an element of argv */
            if (!word)
                return tool_fail("%s: out of memory for the name of its copy", path);
            snprintf(word, size, "%.*s%s", (int)before, argv[i], name);
            argv[i] = word;
        }
    }
    return EXIT_SUCCESS;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int ranks_command(const char *name, int argc, char **argv, bool *runs)
{
    enum way way = 0;
    int code;

    *runs = mpi.rank == 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strcmp(ways[i].name, name) == 0)
            way = ways[i].way;
    if (mpi.count < 2 || way == 0 || asks_help(argc, argv))
        return EXIT_SUCCESS;
    if (way == REFUSED)
        return tool_misused("%s: several ranks cannot share the work of this command: run 'dkvb %s'", name, name);
    mpi.shared = *runs = true;
    if ((code = compare("libdkvb", dkvb_version_string())) || (code = compare_words(argc, argv)))
        return code;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-") == 0 || strcmp(argv[i], "--serve") == 0)
            return tool_fail("'%s': rank 0 alone has standard input: %s", argv[i],
                             argv[i][1] ? "run 'dkvb predict'" : "give the name of a file");
    if (mpi.broadcast_inputs && (code = broadcast_inputs(argc, argv)))
        return code;
    return compare_inputs(argc, argv);
}

/* Adds the host to a failure that the library reports for a rank: "rank 2: ..." becomes "rank 2 on b: ...". */
static void name_host(void)
{
    static const char mark[] = "rank ";
    char *at = mpi.kept, *end, line[sizeof mpi.kept];
    unsigned long rank;

    while ((at = strstr(at, mark))) {
        if (at == mpi.kept || strncmp(at - 2, ": ", 2) == 0) {
            rank = strtoul(at + sizeof mark - 1, &end, 10);
            if (end > at + sizeof mark - 1 && *end == ':' && rank < mpi.count) {
                snprintf(line, sizeof line, "%.*s on %s%s", (int)(end - mpi.kept), mpi.kept,
                         dkvb_mpi_host(mpi.job, (uint32_t)rank), end);
                memcpy(mpi.kept, line, sizeof line);
                return;
            }
        }
        at++;
    }
}

static void print_traffic(const char *name, const dkvb_mpi_traffic *t, const char *after)
{
    fprintf(stderr, "%s %" PRIu64 " calls, %" PRIu64 " bytes sent, %" PRIu64 " received%s", name, t->calls, t->sent,
            t->received, after);
}

/* Prints how many bytes the busiest rank has sent and received. */
static void print_stats(void)
{
    const dkvb_ranks *group = dkvb_mpi_ranks(mpi.job);
    dkvb_mpi_info mine = DKVB_MPI_INFO_INIT, *all = malloc(mpi.count * sizeof *all), *most = all;
    size_t sizes[DKVB_RANKS_COUNT];
    uint64_t largest = 0;

    for (uint32_t r = 0; r < mpi.count; r++)
        sizes[r] = sizeof mine;
    if (!all || dkvb_mpi_get_info(mpi.job, &mine) || group->gather(group->user, &mine, all, sizes) != 0) {
        free(all);
        return;
    }
    for (uint32_t r = 0; r < mpi.count; r++) {
        const dkvb_mpi_info *i = &all[r];
        uint64_t sum = i->exchange.sent + i->exchange.received + i->gather.sent + i->gather.received +
                       i->broadcast.sent + i->broadcast.received;

        if (sum > largest) {
            largest = sum;
            most = &all[r];
        }
    }
    if (mpi.rank == 0) {
        fprintf(stderr, "dkvb-mpi: rank %u of %u moved the most: ", most->rank, most->count);
        print_traffic("exchange", &most->exchange, "; ");
        print_traffic("gather", &most->gather, "; ");
        print_traffic("broadcast", &most->broadcast, "\n");
    }
    free(all);
}

int ranks_end(int code)
{
    int began = 0;

    MPI_Initialized(&began);
    if (mpi.job) {
        fflush(stdout);
        name_host();
        code = dkvb_mpi_end(mpi.job, code, mpi.kept);
        code_of_all = code;
        atomic_store(&over, true);
        if (mpi.stats && code == EXIT_SUCCESS)
            print_stats();
        dkvb_mpi_free(mpi.job);
    }
    remove_copies();
    if (began)
        MPI_Finalize();
    return code;
}
