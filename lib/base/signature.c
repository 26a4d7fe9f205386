/* The file kinds that users give by mistake instead of arrays, pictures or weights. A table tells the kinds of files
 * apart by the first bytes of a file. With the table of file kinds, an error message can say which kind of file was
 * given, and how to convert the file to a supported format. */
#include "base/signature.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/status.h"

/* Instructions to users for converting a file to a supported format. The instruction for converting a file to an array
 * is a line of Python, which a test runs, since nearly all array files come from Python. */
static const char unpack[] = "unpack it first";
static const char download[] = "download it again";
static const char to_png[] = "PIL's Image.open(path).save('x.png') makes PNG of it";
static const char from_torch[] =
    "numpy.save('x.npy', torch.load(path, map_location='cpu').detach().float().numpy()) makes .npy of a tensor";
static const char torch_weights[] =
    "safetensors.torch.save_file(torch.load(path), 'x.safetensors') makes safetensors of a dict of tensors";
static const char from_tensors[] =
    "numpy.save('x.npy', safetensors.numpy.load_file(path)['name'].astype('float32')) makes .npy of a tensor";

/* A kind of file, recognised by a signature of `size` bytes at offset `at`. The instructions for converting a file to
 * an array, a picture or weights are NULL where the library knows none for the kind of file. */
struct kind {
    const char *name;
    size_t at, size;
    const char *bytes;
    const char *array, *picture, *weights;
};

#define SIGNATURE(at, bytes) at, sizeof(bytes) - 1, bytes
#define EVERY(way) way, way, way
#define EVERY_OF(way) .array = way, .picture = way, .weights = way

/* The table of file signatures is ordered: among signatures that begin alike, longer ones come first. */
static const struct kind kinds[] = {
    {"a model of this library", SIGNATURE(0, "DKVB\r\n\x1A\n\2\0\0\0\1"), EVERY(NULL)},
    {"a file of this library", SIGNATURE(0, "DKVB\r\n\x1A\n"), EVERY(NULL)},
    {"a file of this library that was changed by a transfer as text", SIGNATURE(0, "DKVB\n"), EVERY(download)},

    {"a NumPy array (.npy)", SIGNATURE(0, "\x93NUMPY"), NULL, NULL, "safetensors.numpy.save_file makes safetensors"},
    {"a Parquet file", SIGNATURE(0, "PAR1"),
     "numpy.save('x.npy', pandas.read_parquet(path).to_numpy('float32')) makes .npy of its numbers", NULL, NULL},
    {"an Arrow or Feather file", SIGNATURE(0, "ARROW1"),
     "numpy.save('x.npy', pandas.read_feather(path).to_numpy('float32')) makes .npy of its numbers", NULL, NULL},
    {"an old Feather file", SIGNATURE(0, "FEA1"),
     "numpy.save('x.npy', pandas.read_feather(path).to_numpy('float32')) makes .npy of its numbers", NULL, NULL},
    {"an ORC file", SIGNATURE(0, "ORC"),
     "numpy.save('x.npy', pandas.read_orc(path).to_numpy('float32')) makes .npy of its numbers", NULL, NULL},
    {"an Avro file", SIGNATURE(0, "Obj\1"),
     "numpy.save('x.npy', pandas.DataFrame(fastavro.reader(open(path, 'rb'))).to_numpy('float32')) makes .npy of its "
     "numbers",
     NULL, NULL},
    {"an HDF5 file", SIGNATURE(0, "\x89HDF\r\n\x1A\n"),
     "numpy.save('x.npy', h5py.File(path)['name'][:].astype('float32')) makes .npy of a data set", NULL,
     "weights of Keras are not read; the network's own project may offer safetensors"},
    {"a MATLAB 7.3 file", SIGNATURE(0, "MATLAB 7.3 MAT-file"),
     "numpy.save('x.npy', h5py.File(path)['name'][:].T.astype('float32')) makes .npy of a variable", NULL, NULL},
    {"a MATLAB file", SIGNATURE(0, "MATLAB 5.0 MAT-file"),
     "numpy.save('x.npy', scipy.io.loadmat(path)['name'].astype('float32')) makes .npy of a variable", NULL, NULL},
    {"a NetCDF file", SIGNATURE(0, "CDF"),
     "numpy.save('x.npy', xarray.open_dataset(path)['name'].values.astype('float32')) makes .npy of a variable", NULL,
     NULL},
    {"a FITS file", SIGNATURE(0, "SIMPLE  ="),
     "numpy.save('x.npy', astropy.io.fits.getdata(path).astype('float32')) makes .npy of it",
     "astropy.io.fits.getdata(path) reads it", NULL},
    {"an SQLite database", SIGNATURE(0, "SQLite format 3"),
     "numpy.save('x.npy', pandas.read_sql('SELECT * FROM name', sqlite3.connect(path)).to_numpy('float32')) makes .npy "
     "of a table",
     NULL, NULL},
    {"an R data file", SIGNATURE(0, "RDX"),
     "numpy.save('x.npy', pyreadr.read_r(path)['name'].to_numpy('float32')) makes .npy of a data frame", NULL, NULL},
    {"an old Excel file", SIGNATURE(0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"),
     "numpy.save('x.npy', pandas.read_excel(path).to_numpy('float32')) makes .npy of its numbers", NULL, NULL},
    {"a PyTorch file of the old kind", SIGNATURE(0, "\x80\2\x8A\nl\xFC\x9C"), from_torch, NULL, torch_weights},
    {"a GGUF file", SIGNATURE(0, "GGUF"), NULL, NULL, "the network it was made from may be offered as safetensors"},

    {"a Git LFS pointer, which stands for a file that was not fetched", SIGNATURE(0, "version https://git-lfs"),
     EVERY("run 'git lfs pull' where it was cloned, or download the file itself")},
    {"an AppleDouble file, which macOS leaves beside others", SIGNATURE(0, "\0\5\x16\7"),
     EVERY("give the file of that name without the leading ._")},

    {"a gzip file", SIGNATURE(0, "\x1F\x8B"), EVERY("unpack it by gunzip first")},
    {"an xz file",
     SIGNATURE(0, "\xFD"
                  "7zXZ"),
     EVERY("unpack it by unxz first")},
    {"a bzip2 file", SIGNATURE(0, "BZh"), EVERY("unpack it by bunzip2 first")},
    {"a Zstandard file", SIGNATURE(0, "\x28\xB5\x2F\xFD"), EVERY("unpack it by unzstd first")},
    {"an LZ4 file", SIGNATURE(0, "\4\"M\x18"), EVERY("unpack it by unlz4 first")},
    {"a file packed by compress", SIGNATURE(0, "\x1F\x9D"), EVERY("unpack it by gunzip first")},
    {"a 7z archive", SIGNATURE(0, "7z\xBC\xAF\x27\x1C"), EVERY(unpack)},
    {"a RAR archive", SIGNATURE(0, "Rar!\x1A\7"), EVERY(unpack)},
    {"a tar archive", SIGNATURE(257, "ustar"), EVERY("unpack it by tar -xf first")},

    {"a PNG picture", SIGNATURE(0, "\x89PNG\r\n\x1A\n"), "pictures become rows by 'dkvb encode'", NULL, NULL},
    {"a JPEG picture", SIGNATURE(0, "\xFF\xD8\xFF"), "pictures become rows by 'dkvb encode'", NULL, NULL},
    {"a WebP picture", SIGNATURE(8, "WEBP"), "pictures become rows by 'dkvb encode'", NULL, NULL},
    {"a GIF picture", SIGNATURE(0, "GIF8"), to_png, to_png, NULL},
    {"a TIFF picture", SIGNATURE(0, "II*\0"), to_png, to_png, NULL},
    {"a TIFF picture", SIGNATURE(0, "MM\0*"), to_png, to_png, NULL},
    {"a BigTIFF picture", SIGNATURE(0, "II+\0"), to_png, to_png, NULL},
    {"a BigTIFF picture", SIGNATURE(0, "MM\0+"), to_png, to_png, NULL},
    {"a Photoshop picture", SIGNATURE(0, "8BPS"), to_png, to_png, NULL},
    {"a JPEG 2000 picture", SIGNATURE(0, "\0\0\0\x0CjP  "), to_png, to_png, NULL},
    {"a JPEG 2000 picture", SIGNATURE(0, "\xFF\x4F\xFF\x51"), to_png, to_png, NULL},
    {"a JPEG XL picture", SIGNATURE(0, "\0\0\0\x0CJXL "), EVERY("djxl x.jxl x.png makes PNG of it")},
    {"a JPEG XL picture", SIGNATURE(0, "\xFF\x0A"), EVERY("djxl x.jxl x.png makes PNG of it")},
    {"an AVIF picture", SIGNATURE(4, "ftypavif"), to_png, to_png, NULL},
    {"a HEIC picture", SIGNATURE(4, "ftypheic"), EVERY("heif-convert x.heic x.png makes PNG of it")},
    {"a HEIC picture", SIGNATURE(4, "ftypheix"), EVERY("heif-convert x.heic x.png makes PNG of it")},
    {"a HEIF picture", SIGNATURE(4, "ftypmif1"), EVERY("heif-convert x.heic x.png makes PNG of it")},
    {"a HEIF sequence", SIGNATURE(4, "ftypmsf1"), EVERY("heif-convert x.heic x.png makes PNG of it")},
    {"a film (MP4, MOV)", SIGNATURE(4, "ftyp"), EVERY("ffmpeg -i film %05d.png makes pictures of it")},
    {"an icon (.ico)", SIGNATURE(0, "\0\0\1\0"), to_png, to_png, NULL},
    {"a DICOM picture", SIGNATURE(128, "DICM"),
     "numpy.save('x.npy', pydicom.dcmread(path).pixel_array) makes .npy of it",
     "pydicom.dcmread(path).pixel_array is its array; PIL makes PNG of it", NULL},
    {"an OpenEXR picture", SIGNATURE(0, "\x76\x2F\x31\1"), to_png, to_png, NULL},
    {"a QOI picture", SIGNATURE(0, "qoif"), to_png, to_png, NULL},
    {"a DDS picture", SIGNATURE(0, "DDS "), to_png, to_png, NULL},
    {"a WAVE or AVI file", SIGNATURE(0, "RIFF"), EVERY(NULL)},
    {"a Matroska or WebM film", SIGNATURE(0, "\x1A\x45\xDF\xA3"),
     EVERY("ffmpeg -i film %05d.png makes pictures of it")},
    {"an Ogg file", SIGNATURE(0, "OggS"), EVERY(NULL)},
    {"a FLAC file", SIGNATURE(0, "fLaC"), EVERY(NULL)},
    {"an MP3 file", SIGNATURE(0, "ID3"), EVERY(NULL)},

    {"a PDF document", SIGNATURE(0, "%PDF"), EVERY("pdftoppm -png makes pictures of its pages")},
    {"a PostScript document", SIGNATURE(0, "%!PS"), EVERY(NULL)},
    {"an RTF document", SIGNATURE(0, "{\\rtf"), EVERY(NULL)},
    {"a program (ELF)",
     SIGNATURE(0, "\x7F"
                  "ELF"),
     EVERY(NULL)},
    {"a program (Mach-O)", SIGNATURE(0, "\xCF\xFA\xED\xFE"), EVERY(NULL)},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Kinds of files that cannot be recognised by a few fixed bytes at one place alone. */
static const struct kind npz = {.name = "a NumPy archive (.npz)",
                                .array = "numpy.load(path)['name'] and numpy.save make .npy of one of its arrays",
                                .picture = "numpy.load(path)['name'] and numpy.save make .npy of one of its arrays",
                                .weights = "safetensors.numpy.save_file(dict(numpy.load(path)), 'x.safetensors')"};
static const struct kind torch = {
    .name = "a PyTorch file", .array = from_torch, .picture = from_torch, .weights = torch_weights};
static const struct kind office = {
    .name = "an Office document",
    .array = "numpy.save('x.npy', pandas.read_excel(path).to_numpy('float32')) makes .npy of its numbers"};
static const struct kind zip = {.name = "a zip archive", EVERY_OF(unpack)};
static const struct kind pickle = {
    .name = "a Python pickle",
    .array = "numpy.save('x.npy', pickle.load(open(path, 'rb'))) makes .npy of an array, and runs code of the file",
    .picture = "of CIFAR take the binary version, of other arrays make .npy by pickle.load and numpy.save",
    .weights = torch_weights};
static const struct kind tfrecord = {
    .name = "a TFRecord file",
    .array =
        "numpy.save('x.npy', [tensorflow.train.Example.FromString(r.numpy()).features.feature['name'].float_list.value "
        "for r in tensorflow.data.TFRecordDataset(path)]) makes .npy of a feature"};
static const struct kind safetensors = {.name = "a safetensors file", .array = from_tensors, .picture = from_tensors};
static const struct kind idx = {.name = "an IDX file"};
static const struct kind bmp = {.name = "a BMP picture", .array = to_png, .picture = to_png};
static const struct kind pnm = {.name = "a PNM picture (PBM, PGM, PPM)", .array = to_png, .picture = to_png};
static const struct kind svg = {.name = "an SVG drawing",
                                .array = "rsvg-convert -o x.png makes PNG of it",
                                .picture = "rsvg-convert -o x.png makes PNG of it"};
static const struct kind html = {.name = "a web page (HTML), such as a failed download leaves", EVERY_OF(download)};
static const struct kind xml = {.name = "XML text, such as a failed download may leave", EVERY_OF(NULL)};
static const struct kind shards = {
    .name = "the index of a checkpoint that is split into shards",
    .weights = "the shards that it lists must be joined: safetensors.torch.load_file of each, save_file of all"};
static const struct kind json = {.name = "JSON text",
                                 .array = "numpy.save('x.npy', json.load(open(path))) makes .npy of a list of rows",
                                 .weights = "the tensors are in another file, usually beside it"};
static const struct kind utf16 = {
    .name = "text in UTF-16",
    .array = "numpy.save('x.npy', numpy.loadtxt(path, delimiter=',', encoding='utf-16')) makes .npy of numbers"};
static const struct kind csv = {.name = "text, perhaps CSV",
                                .array = "dkvb_table_read(), dkvb.read_table(path) in Python, reads tables of text"};

/* True if the bytes of a file contain `text`, ignoring case. */
static bool holds(const unsigned char *start, size_t size, const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i + length <= size; i++)
        if (strncasecmp((const char *)start + i, text, length) == 0)
            return true;
    return false;
}

/* Finds the kind of a zip archive by the name of its first member. The header of a member of a zip archive has 30
 * bytes, with the length of the member's name at offset 26. */
static const struct kind *zip_kind(const unsigned char *start, size_t size)
{
    size_t length = size > 30 ? dkvb__read16(start + 26) : 0, end = 30 + length < size ? 30 + length : size;

    if (size <= 30)
        return &zip;
    if (length > 4 && end == 30 + length && memcmp(start + end - 4, ".npy", 4) == 0)
        return &npz;
    if (holds(start + 30, end - 30, "data.pkl") || holds(start + 30, end - 30, "archive/"))
        return &torch;
    if (holds(start + 30, end - 30, "[Content_Types]") || holds(start + 30, end - 30, "xl/") ||
        holds(start + 30, end - 30, "docProps/") || holds(start + 30, end - 30, "_rels/") ||
        holds(start + 30, size - 30, "opendocument"))
        return &office;
    return &zip;
}

/* True if the first bytes of a file are text: no control characters other than white space. Bytes above 0x7F may have
 * any encoding, but text hardly begins with a byte that cannot begin a UTF-8 character. */
static bool is_text(const unsigned char *start, size_t size)
{
    if (size > 0 && start[0] >= 0x80 && start[0] < 0xC2)
        return false;
    for (size_t i = 0; i < size; i++)
        if (start[i] == 0x7F || (start[i] < ' ' && !memchr("\t\n\r\f\x1A", start[i], 5)))
            return false;
    return size > 0;
}

static const struct kind *text_kind(const unsigned char *start, size_t size)
{
    /* a text file may begin with a byte order mark; its text starts after the mark */
    size_t at = size >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    while (at < size && memchr(" \t\r\n", start[at], 4))
        at++;
    if (at == size)
        return &csv;
    if (start[at] == '<') {
        if (holds(start + at, size - at, "<!doctype html") || holds(start + at, size - at, "<html"))
            return &html;
        return holds(start + at, size - at, "<svg") ? &svg : &xml;
    }
    if (start[at] == '{' || start[at] == '[')
        return holds(start + at, size - at, "\"weight_map\"") ? &shards : &json;
    return &csv;
}

/* A TFRecord file begins with the length of its first record, u64, and the masked CRC-32C of these 8 bytes. */
static bool is_tfrecord(const unsigned char *start, size_t size)
{
    uint32_t crc = UINT32_MAX;

    if (size < 12)
        return false;
    for (size_t bit = 0; bit < 64; bit++) {
        crc ^= (uint32_t)(start[bit / 8] >> bit % 8 & 1);
        crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    crc = ~crc;
    return dkvb__read32(start + 8) == (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static const struct kind *find_kind(const unsigned char *start, size_t size)
{
    for (size_t i = 0; i < KINDS; i++)
        if (size >= kinds[i].at + kinds[i].size && memcmp(start + kinds[i].at, kinds[i].bytes, kinds[i].size) == 0)
            return &kinds[i];
    if (size >= 4 && (memcmp(start, "PK\3\4", 4) == 0 || memcmp(start, "PK\5\6", 4) == 0))
        return zip_kind(start, size);
    if (size >= 3 && start[0] == 'P' && start[1] >= '1' && start[1] <= '7' && memchr(" \t\r\n", start[2], 4))
        return &pnm;
    if (is_tfrecord(start, size))
        return &tfrecord;
    if (is_text(start, size))
        return text_kind(start, size);
    if (size >= 6 && start[0] == 'B' && start[1] == 'M')
        return &bmp;
    if (size >= 2 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5)
        return &pickle;
    if (size >= 10 && dkvb__read64(start) > 1 && dkvb__read64(start) < UINT32_MAX && start[8] == '{')
        return &safetensors;
    if (size >= 2 && (memcmp(start, "\xFF\xFE", 2) == 0 || memcmp(start, "\xFE\xFF", 2) == 0))
        return &utf16;
    if (size >= 4 && start[0] == 0 && start[1] == 0 && start[2] >= 8 && start[2] <= 0x0E && start[3] >= 1 &&
        start[3] <= 8)
        return &idx;
    return NULL;
}

/* True if the first bytes of a file may begin a table. Signatures of files that consist of letters alone, such as "ID3"
 * and "CDF", may also be the name of the first column of a table. */
bool dkvb__signature_is_table(const unsigned char *start, size_t size)
{
    const struct kind *kind = find_kind(start, size);
    bool letters = kind && kind->size > 0 && kind->size <= 4;

    for (size_t i = 0; letters && i < kind->size; i++)
        letters = (kind->bytes[i] >= '0' && kind->bytes[i] <= '9') || (kind->bytes[i] >= 'A' && kind->bytes[i] <= 'z');
    return kind == &csv || (letters && is_text(start, size) && text_kind(start, size) == &csv);
}

const char *dkvb__signature_kind(const unsigned char *start, size_t size)
{
    const struct kind *kind = find_kind(start, size);

    return kind ? kind->name : NULL;
}

/* Returns the instruction for converting a file to a format that the use supports; NULL if none is known. If the caller
 * needs a file of libdkvb itself, way_of() returns an instruction for converting only if the given file's kind has the
 * same instruction for every use. */
static const char *way_of(const struct kind *kind, enum dkvb__use use)
{
    switch (use) {
    case DKVB__USE_ARRAY:
    case DKVB__USE_TABLE:
        return kind->array;
    case DKVB__USE_PICTURE:
    case DKVB__USE_PICTURES:
        return kind->picture;
    case DKVB__USE_WEIGHTS:
        return kind->weights;
    default:
        return kind->array == kind->picture && kind->picture == kind->weights ? kind->array : NULL;
    }
}

dkvb_status dkvb__fail_foreign(const char *path, const unsigned char *start, size_t size, uint64_t whole,
                               enum dkvb__use use)
{
    static const char *const needs[DKVB__USES] = {
        [DKVB__USE_ARRAY] = "a NumPy (.npy) or IDX file",
        [DKVB__USE_TABLE] = "a CSV, NumPy (.npy, .npz) or IDX file",
        [DKVB__USE_PICTURE] = "a PNG, JPEG or WebP file",
        [DKVB__USE_PICTURES] = "a folder or a PNG, JPEG, WebP, CIFAR (binary version), NumPy (.npy) or IDX file",
        [DKVB__USE_WEIGHTS] = "a .safetensors file",
        [DKVB__USE_OWN] = "a file that this library wrote",
    };
    const struct kind *kind = find_kind(start, size);
    const char *way = kind ? way_of(kind, use) : NULL;

    if (whole == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.200s: is empty; %s must be given", path, needs[use]);
    if (kind)
        return dkvb__fail(DKVB_EFORMAT, "%.150s: is %s; %s must be given%s%s", path, kind->name, needs[use],
                          way ? ": " : "", way ? way : "");
    if (size < 4)
        return dkvb__fail(DKVB_EFORMAT, "%.200s: has %llu bytes; %s must be given", path, (unsigned long long)whole,
                          needs[use]);
    return dkvb__fail(DKVB_EFORMAT, "%.200s: begins with the bytes %02x %02x %02x %02x; %s must be given", path,
                      start[0], start[1], start[2], start[3], needs[use]);
}

dkvb_status dkvb__fail_foreign_file(const struct dkvb__file *file, enum dkvb__use use)
{
    unsigned char start[DKVB__SIGNATURE_SIZE];
    size_t size = file->size < sizeof start ? (size_t)file->size : sizeof start;
    dkvb_status rc = dkvb__file_read(file, 0, start, size);

    return rc ? rc : dkvb__fail_foreign(file->path, start, size, file->size, use);
}
