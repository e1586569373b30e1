/* config.c: the settings of a run: flag, else environment, else configuration file, else default.
 *
 * All settings live in one list of name=value. Lines of the file come first, -X after them and over them; names that
 * begin with "provmat." are ours, "schema.registry.url" is the codec's, everything else goes to librdkafka as it
 * stands. --log and --index are short for provmat.log and provmat.index.
 *
 * Secrets are told to nobody: a value is never repeated in a message about a line that cannot be read, -X dump masks
 * them, and what stood behind -X is written over, so that `ps` shows it no longer. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/config_lines.h"
#include "common/base/arena.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/nearest.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "common/base/url.h"

#define DEFAULT_LOG "local:./provmat-data/log"
#define DEFAULT_INDEX "./provmat-data/index"
#define DIAG_KEPT 8
#define DIAG_QUIET_US 60000000LL

/* Our own names: what -X list shows of them, and how -X dump finds their values. */
static const struct {
    const char *name, *help;
} own_settings[] = {
    {"provmat.format", "as --format"},
    {"provmat.index", "as --index"},
    {"provmat.log", "as --log"},
    {"provmat.schemas", "a directory of further writer schemas (*.avsc)"},
    {"provmat.timeout.ms", "how long to wait for a broker, in milliseconds (default 10000)"},
    {"schema.registry.url", "write and read with a schema registry, http://HOST:PORT/PATH"},
};
#define N_OWN (sizeof own_settings / sizeof *own_settings)

struct setting {
    const char *name, *value;
    const char *where; /* "FILE:LINE" or "-X" */
    bool client;       /* librdkafka's */
};

static struct {
    struct setting *items;
    size_t count, cap;
    struct pm_log_property *client; /* what librdkafka gets, made from items */
    size_t n_client;
} settings;

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < settings.count; i++)
        if (!strcmp(settings.items[i].name, name)) return &settings.items[i];
    return NULL;
}

static const char *value_of(const char *name)
{
    const struct setting *s = find(name);
    return s ? s->value : NULL;
}

/* A name given again takes the later value and place. */
static void put(struct setting setting)
{
    for (size_t i = 0; i < settings.count; i++) {
        if (strcmp(settings.items[i].name, setting.name)) continue;
        settings.items[i] = setting;
        return;
    }
    if (settings.count == settings.cap) {
        settings.cap = settings.cap ? settings.cap * 2 : 16;
        settings.items = pm_realloc(settings.items, settings.cap * sizeof *settings.items);
    }
    settings.items[settings.count++] = setting;
}

/* ---- one name=value ---- */

static int check_own(const struct setting *s, struct pm_error *err)
{
    struct pm_nearest nearest = {.typed = pm_slice_cstr(s->name)};
    for (size_t i = 0; i < N_OWN; i++) {
        if (!strcmp(own_settings[i].name, s->name)) return PM_OK;
        pm_nearest_try(&nearest, own_settings[i].name);
    }
    const char *best = pm_nearest_best(&nearest);
    if (best)
        return pm_error_set(err, PM_EUSAGE, "%s: unknown setting \"%s\"; did you mean \"%s\"?", s->where, s->name,
                            best);
    return pm_error_set(err, PM_EUSAGE, "%s: unknown setting \"%s\"; `provmat -X list` shows all", s->where, s->name);
}

static int check_value(const struct setting *s, struct pm_error *err)
{
    uint64_t number;
    if (!strcmp(s->name, "provmat.timeout.ms") &&
        (!pm_u64_parse(pm_slice_cstr(s->value), &number) || number == 0 || number > 86400000))
        return pm_error_set(err, PM_EUSAGE, "%s: provmat.timeout.ms: \"%s\" is not a number from 1 to 86400000",
                            s->where, s->value);
    if (!strcmp(s->name, "provmat.format") && strcmp(s->value, "table") && strcmp(s->value, "json") &&
        strcmp(s->value, "ndjson") && strcmp(s->value, "csv") && strcmp(s->value, "tsv"))
        return pm_error_set(err, PM_EUSAGE, "%s: provmat.format: \"%s\" is none of table|json|ndjson|csv|tsv", s->where,
                            s->value);
    if (!s->value[0] && !s->client)
        return pm_error_set(err, PM_EUSAGE, "%s: the value of \"%s\" is empty", s->where, s->name);
    return PM_OK;
}

/* The names end with the call, so the nearest one so far is copied. */
static void suggest_name(void *arg, const char *name)
{
    static char best[128];
    struct pm_nearest *nearest = arg;
    const char *before = nearest->best;
    pm_nearest_try(nearest, name);
    if (nearest->best == before) return;
    snprintf(best, sizeof best, "%s", name);
    nearest->best = best;
}

/* librdkafka says itself what it takes; to a name that it does not know we add the nearest one. */
static int check_client(const struct setting *s, struct pm_error *err)
{
    struct pm_log_property property = {s->name, s->value};
    struct pm_error own = {0};
    int rc = pm_log_client_check(&property, 1, &own);
    if (rc == PM_OK) return PM_OK;
    struct pm_nearest nearest = {.typed = pm_slice_cstr(s->name)};
    if (strstr(own.text, "no such property")) pm_log_client_names(suggest_name, &nearest);
    const char *best = pm_nearest_best(&nearest);
    if (best)
        return pm_error_set(err, PM_EUSAGE, "%s: unknown setting \"%s\"; did you mean \"%s\"?", s->where, s->name,
                            best);
    const char *text = strncmp(own.text, "-X ", 3) ? own.text : own.text + 3;
    return pm_error_set(err, (enum pm_code)rc, "%s: %s", s->where, text);
}

static int add(const char *name, const char *value, const char *where, struct pm_error *err)
{
    struct setting s = {.name = name, .value = value, .where = where};
    s.client = strncmp(name, "provmat.", 8) != 0 && strncmp(name, "schema.registry.", 16) != 0;
    if (!s.client) {
        PM_TRY(check_own(&s, err));
    } else {
        PM_TRY(check_client(&s, err));
    }
    PM_TRY(check_value(&s, err));
    put(s);
    return PM_OK;
}

static char *keep(const char *text)
{
    static struct pm_arena kept; /* names and values live as long as the program */
    return pm_arena_cstr(&kept, pm_slice_cstr(text));
}

/* ---- the file ---- */

static int read_whole(const char *path, char **ret, size_t *ret_len, struct pm_error *err)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return pm_error_set(err, PM_EUSAGE, "could not open the configuration file \"%s\": %s", path, strerror(errno));
    char *text = pm_malloc(PM_CLI_CONFIG_BYTES_MAX + 2);
    errno = 0;
    size_t n = fread(text, 1, PM_CLI_CONFIG_BYTES_MAX + 1, file);
    int why = ferror(file) ? errno : 0;
    fclose(file);
    if (why) {
        free(text);
        return pm_error_set(err, PM_EUSAGE, "could not read the configuration file \"%s\": %s", path, strerror(why));
    }
    if (n > PM_CLI_CONFIG_BYTES_MAX) {
        free(text);
        return pm_error_set(err, PM_EUSAGE, "the configuration file \"%s\" is larger than the limit of %d bytes", path,
                            PM_CLI_CONFIG_BYTES_MAX);
    }
    text[n] = 0;
    *ret = text;
    *ret_len = n;
    return PM_OK;
}

/* Names and values outlive the text. */
static int add_line(void *arg, const char *name, const char *value, const char *where, struct pm_error *err)
{
    (void)arg;
    return add(keep(name), keep(value), keep(where), err);
}

static int read_file(const char *path, struct pm_error *err)
{
    char *text = NULL;
    size_t len = 0;
    PM_TRY(read_whole(path, &text, &len, err));
    int rc = pm_config_lines(text, len, path, add_line, NULL, err);
    free(text);
    return rc;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* A file that was named must be there; the one in the home directory may be. */
static int read_config(const struct pm_cli *cli, struct pm_error *err)
{
    const char *path = pm_cli_text(cli, "config");
    if (!path) path = environment("PROVMAT_CONFIG");
    if (path) return read_file(path, err);
    const char *home = environment("HOME");
    if (!home) return PM_OK;
    size_t size = strlen(home) + 32;
    char *own = pm_malloc(size);
    snprintf(own, size, "%s/.config/provmat.conf", home);
    int rc = access(own, F_OK) == 0 ? read_file(own, err) : PM_OK;
    free(own);
    return rc;
}

/* ---- -X ---- */

static bool is_list_or_dump(const char *text) { return !strcmp(text, "list") || !strcmp(text, "dump"); }

/* `value` is argv's own: the memory that `ps` reads. */
static void wipe(const char *name, char *value)
{
    if (!strcmp(name, "schema.registry.url")) pm_url_wipe(value);
    else if (pm_log_client_secret(name)) memset(value, '*', strlen(value));
}

static int read_properties(const struct pm_cli *cli, struct pm_error *err)
{
    const struct pm_given *given;
    for (size_t at = 0; (given = pm_cli_next(cli, "property", &at));) {
        if (is_list_or_dump(given->value)) continue;
        char *name = keep(given->value), *equals = strchr(name, '=');
        if (!equals || equals == name)
            return pm_config_not_a_setting("-X", given->value, "; `provmat -X list` shows all names", err);
        *equals = 0;
        wipe(name, (char *)(uintptr_t)given->value + (equals - name) + 1);
        PM_TRY(add(name, equals + 1, "-X", err));
    }
    return PM_OK;
}

static void each_name(void *arg, const char *name) { fprintf(arg, "%s\n", name); }

static void each_value(void *arg, const char *name, const char *value) { fprintf(arg, "%s=%s\n", name, value); }

static void dump_own(const struct pm_cli *cli, const char *name)
{
    const char *value = value_of(name);
    char *masked = NULL;
    if (!strcmp(name, "provmat.log")) value = pm_cli_log_url(cli);
    if (!strcmp(name, "provmat.index")) value = cli->index_dir;
    if (!strcmp(name, "provmat.format")) value = cli->format;
    if (!strcmp(name, "provmat.timeout.ms") && !value) value = "10000";
    if (!strcmp(name, "schema.registry.url") && value) value = masked = pm_url_masked(value);
    if (value) each_value(stdout, name, value);
    free(masked);
}

bool pm_config_print(const struct pm_cli *cli)
{
    const struct pm_given *given;
    const char *what = NULL;
    for (size_t at = 0; (given = pm_cli_next(cli, "property", &at));)
        if (is_list_or_dump(given->value)) what = given->value;
    if (!what) return false;
    bool dump = !strcmp(what, "dump");
    for (size_t i = 0; i < N_OWN; i++) {
        if (dump) dump_own(cli, own_settings[i].name);
        else each_name(stdout, own_settings[i].name);
    }
    if (dump) pm_log_client_properties(settings.client, settings.n_client, each_value, stdout);
    else pm_log_client_names(each_name, stdout);
    return true;
}

/* ---- settling ---- */

static bool terminal(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && !(term && !strcmp(term, "dumb"));
}

/* librdkafka tells one thing twice (from its thread, and as an error) and again at every attempt: what was told in the
 * last minute is left out. */
static bool told_lately(const char *text)
{
    static struct {
        uint64_t hash;
        int64_t at_us;
    } told[DIAG_KEPT];
    static size_t next;
    const char *times = strstr(text, " (after "); /* "(after 3ms in state CONNECT)": differs each time */
    uint64_t hash = pm_hash64(text, times ? (size_t)(times - text) : strlen(text), 0);
    int64_t now_us = pm_time_monotonic_us();
    for (size_t i = 0; i < DIAG_KEPT; i++)
        if (told[i].at_us && told[i].hash == hash && now_us - told[i].at_us < DIAG_QUIET_US) return true;
    told[next].hash = hash;
    told[next].at_us = now_us;
    next = (next + 1) % DIAG_KEPT;
    return false;
}

/* What librdkafka says of itself (a lost connection, a retry): warnings and worse, all of it when "debug" is set,
 * errors alone with --quiet. */
static void client_diag(void *arg, int level, const char *text)
{
    const struct pm_cli *cli = arg;
    bool debug = value_of("debug") != NULL;
    int worst = cli->quiet ? 3 : debug ? 7 : 4;
    const char *thread = strncmp(text, "[thrd:", 6) ? NULL : strstr(text, "]: ");
    if (level > worst) return;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* each handle has a thread, and there may be two */
    pthread_mutex_lock(&mutex);
    if (debug) pm_cli_warn("%s", text);
    else if (!told_lately(thread ? thread + 3 : text)) pm_cli_warn("%s", thread ? thread + 3 : text);
    pthread_mutex_unlock(&mutex);
}

static const char *first_of(const char *flag, const char *name, const char *variable, const char *otherwise)
{
    const struct setting *s = find(name);
    if (flag) return flag;
    if (s && !strcmp(s->where, "-X")) return s->value;
    const char *value = variable ? environment(variable) : NULL;
    return value ? value : s ? s->value : otherwise;
}

static void settle_log(struct pm_cli *cli)
{
    settings.client = pm_calloc(settings.count + 1, sizeof *settings.client);
    for (size_t i = 0; i < settings.count; i++)
        if (settings.items[i].client)
            settings.client[settings.n_client++] = (struct pm_log_property){settings.items[i].name,
                                                                            settings.items[i].value};
    uint64_t timeout = 0;
    const char *text = value_of("provmat.timeout.ms");
    if (text) PM_CHECK(pm_u64_parse(pm_slice_cstr(text), &timeout));
    cli->log = (struct pm_log_options){.properties = settings.client,
                                       .n_properties = settings.n_client,
                                       .timeout_ms = (int)timeout,
                                       .diag = client_diag,
                                       .diag_arg = cli};
    cli->codec = (struct pm_codec_options){.registry_url = value_of("schema.registry.url"),
                                           .schema_dir = value_of("provmat.schemas"),
                                           .registry_ca_file = value_of("ssl.ca.location")};
}

int pm_config_load(struct pm_cli *cli, struct pm_error *err)
{
    cli->quiet = pm_cli_flag(cli, "quiet");
    PM_TRY(read_config(cli, err));
    PM_TRY(read_properties(cli, err));
    cli->log_url = first_of(pm_cli_text(cli, "log"), "provmat.log", "PROVMAT_LOG", NULL);
    cli->index_dir = first_of(pm_cli_text(cli, "index"), "provmat.index", "PROVMAT_INDEX", DEFAULT_INDEX);
    cli->format = first_of(pm_cli_text(cli, "format"), "provmat.format", NULL,
                           isatty(STDOUT_FILENO) ? "table" : "ndjson");
    cli->colour = terminal(STDOUT_FILENO) && !environment("NO_COLOR");
    cli->progress = terminal(STDERR_FILENO) && !cli->quiet;
    settle_log(cli);
    return PM_OK;
}

const char *pm_cli_log_url(const struct pm_cli *cli) { return cli->log_url ? cli->log_url : DEFAULT_LOG; }

struct pm_codec_options pm_cli_codec_options(const struct pm_cli *cli, const char *log_url)
{
    struct pm_codec_options options = cli->codec;
    const char *slash = log_url && !strncmp(log_url, "kafka://", 8) ? strchr(log_url + 8, '/') : NULL;
    if (slash && slash[1]) options.registry_topic = slash + 1;
    return options;
}

int pm_cli_log_open(const struct pm_cli *cli, const char *url, enum pm_log_mode mode, struct pm_log **ret,
                    struct pm_error *err)
{
    struct pm_log_options options = cli->log;
    options.mode = mode;
    int rc = pm_log_open(url, &options, ret, err);
    if (rc != PM_ENOTFOUND) return rc;
    /* For the program this is a log that cannot be reached (exit 4); exit 1 stands for an answer of none. */
    return pm_error_set(err, PM_ELOG,
                        "there is no log at \"%s\"; `provmat emit --log %s` or `provmat log create --log %s` makes it",
                        url, url, url);
}
