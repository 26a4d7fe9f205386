#!/bin/sh
# Test that files of other programs are refused with the name of their kind, and a way to convert them to a kind that
# the command reads.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
"$python" - <<'END'
import gzip, io, json, os, pickle, tarfile, zipfile
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
np.savetxt("d.csv", x, delimiter=",")
open("bom.csv", "w", encoding="utf-8-sig").write("a;b\n1;2\n")
open("excel.csv", "w", encoding="utf-16").write("1\t2\n")
np.savez("d.npz", x=x, y=y)
np.savez_compressed("packed.npz", x=x)
pickle.dump(x, open("d.pkl", "wb"))
for name, start in {"d.parquet": b"PAR1", "d.h5": b"\x89HDF\r\n\x1a\n", "d.mat": b"MATLAB 5.0 MAT-file", "d.feather": b"ARROW1\0\0",
                    "d.sqlite": b"SQLite format 3\0", "d.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "d.pdf": b"%PDF-1.7",
                    "d.elf": b"\x7fELF\2\1", "d.zst": b"\x28\xb5\x2f\xfd", "d.xz": b"\xfd7zXZ\0", "d.7z": b"7z\xbc\xaf\x27\x1c",
                    "d.gguf": b"GGUF\3"}.items():
    open(name, "wb").write(start + bytes(200))
open("d.npy.gz", "wb").write(gzip.compress(open("x.npy", "rb").read()))
open("csv.gz", "wb").write(gzip.compress(open("d.csv", "rb").read()))
open("page.npy", "w").write("\n<!DOCTYPE html><html>404")
open("error.npy", "w").write('<?xml version="1.0"?><Error>AccessDenied</Error>')
open("rows.json", "w").write("[[1, 2], [3, 4]]")
pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 25728\n"
for name in ("lfs.npy", "lfs.safetensors", "lfs.dkvb"):
    open(name, "w").write(pointer)
open("empty.npy", "w").close()
tar = tarfile.open("d.tar", "w"); tar.add("x.npy"); tar.close()
with zipfile.ZipFile("pytorch_model.bin", "w") as z:
    z.writestr("archive/data.pkl", b"x")
with zipfile.ZipFile("sheet.xlsx", "w") as z:
    z.writestr("[Content_Types].xml", b"x")
with zipfile.ZipFile("plain.zip", "w") as z:
    z.writestr("readme.txt", b"x")
open("old.pt", "wb").write(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(50))
json.dump({"metadata": {}, "weight_map": {}}, open("model.safetensors.index.json", "w"))
pictures = dict(webp=b"RIFF\x24\0\0\0WEBPVP8 ", bmp=b"BM6\x09\0\0\0\0\0\0", gif=b"GIF89a", tif=b"II*\0", big=b"MM\0*",
                heic=b"\0\0\0\x18ftypheic", avif=b"\0\0\0\x1cftypavif", jxl=b"\0\0\0\x0cJXL \r\n", jp2=b"\0\0\0\x0cjP  \r\n",
                gz=gzip.compress(b"\xff\xd8"), svg=b"<svg xmlns='x'/>", pnm=b"P6\n2 2\n255\n", ico=b"\0\0\1\0\1", mp4=b"\0\0\0\x20ftypisom",
                double=b"\0\5\x16\7\0\2")
for name, start in pictures.items():
    open(name + ".jpg", "wb").write(start + (bytes(200) if name not in ("svg", "pnm") else b""))
os.makedirs("cifar-10-batches-py")
pickle.dump({b"data": 0}, open("cifar-10-batches-py/data_batch_1", "wb"))
os.makedirs("gifs/cat")
for i in range(3):
    open(f"gifs/cat/{i}.gif", "wb").write(pictures["gif"])
np.save("texts.npy", x.astype(str))
np.save("integers.npy", (x * 9).astype("i8"))
np.save("names.npy", np.array(["cat", "dog", "owl", "fox"])[y])
np.save("objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
np.save("complex.npy", x.astype("c8"))
np.save("real_y.npy", y.astype("f8"))
np.save("onehot.npy", np.eye(4, dtype=int)[y])
np.save("bool_y.npy", y > 1)
np.save("row.npy", x[0])
np.save("colour.npy", np.zeros((8, 8, 3), "u1"))
np.save("first.npy", np.zeros((2, 3, 8, 8), "u1"))
np.save("levels.npy", np.zeros((2, 8, 8, 3), "f4"))
open("twice.npy", "wb").write(2 * open("x.npy", "rb").read())
END
rows() { # rows FILE TEXT
    refused 1 "$1: $2" "$dkvb" train --features "$1" --labels y.npy -o new.dkvb
}
refused 1 'y.npy has 400 labels, bom.csv has 1 rows' "$dkvb" train --features bom.csv --labels y.npy -o new.dkvb
rows excel.csv 'is text in UTF-16'
rows d.npz 'holds the arrays x, y; one must be chosen, as FILE.npz:NAME'
rows d.pkl 'is a Python pickle'
rows d.parquet "is a Parquet file; a CSV, NumPy (.npy, .npz) or IDX file must be given: numpy.save('x.npy', pandas.read_parquet"
rows d.h5 "is an HDF5 file; a CSV, NumPy (.npy, .npz) or IDX file must be given: numpy.save('x.npy', h5py.File"
rows d.mat "is a MATLAB file; a CSV, NumPy (.npy, .npz) or IDX file must be given: numpy.save('x.npy', scipy.io.loadmat"
rows d.feather 'is an Arrow or Feather file'
rows d.sqlite 'is an SQLite database'
rows d.xls 'is an old Excel file'
rows sheet.xlsx 'is an Office document'
rows plain.zip 'is a zip archive'
rows d.pdf 'is a PDF document'
rows d.elf 'is a program (ELF)'
rows d.zst 'is a Zstandard file; a CSV, NumPy (.npy, .npz) or IDX file must be given: unpack it by unzstd'
rows d.xz 'is an xz file'
rows d.7z 'is a 7z archive'
rows d.tar 'is a tar archive'
rows d.gguf 'is a GGUF file'
rows d.npy.gz 'is a NumPy array (.npy) packed by gzip; only IDX is read packed: unpack it by gunzip'
rows csv.gz 'is text, perhaps CSV packed by gzip'
rows page.npy 'is a web page (HTML), such as a failed download leaves'
rows error.npy 'is XML text'
rows rows.json 'is JSON text'
rows lfs.npy 'is a Git LFS pointer'
rows empty.npy 'is empty; a CSV, NumPy (.npy, .npz) or IDX file must be given'
rows m.dkvb 'is a model of this library'
rows heic.jpg 'is a HEIC picture'
rows texts.npy 'elements are texts'
rows integers.npy "elements are int64; features must be float16, float32, float64 or uint8: astype('float32')"
rows objects.npy 'elements are Python objects'
rows complex.npy 'elements are complex numbers'
rows twice.npy 'holds a second array from byte 25728 on'
labels() {
    refused 1 "$1: $2" "$dkvb" train --features x.npy --labels "$1" -o new.dkvb
}
labels real_y.npy "elements are float64; labels must be integers (or bool): astype('int64')"
labels onehot.npy '4 columns, labels must have 1: of one-hot rows argmax(axis=1)'
labels d.csv 'has 16 columns'
check "$dkvb" train --features x.npy --labels bool_y.npy -o bool.dkvb --json >/dev/null
picture() {
    refused 1 "$1.jpg: is $2" "$dkvb" encode --input "$1.jpg" --format file -o e.npy
}
refused 1 'WebP' "$dkvb" encode --input webp.jpg -o e.npy
picture bmp 'a BMP picture'
picture gif 'a GIF picture'
picture tif 'a TIFF picture'
picture big 'a TIFF picture'
picture heic 'a HEIC picture; a PNG, JPEG or WebP file must be given: heif-convert'
picture avif 'an AVIF picture'
picture jxl 'a JPEG XL picture'
picture jp2 'a JPEG 2000 picture'
picture gz 'a gzip file'
picture svg 'an SVG drawing'
picture pnm 'a PNM picture'
picture ico 'an icon'
picture mp4 'a film'
picture double 'an AppleDouble file'
refused 1 'heic.jpg: is a HEIC picture; a folder or a PNG' "$dkvb" encode --input heic.jpg -o e.npy
refused 1 "gifs: holds no picture: none of 3 files ends in .png, .jpg, .jpeg or .webp; 3 end in .gif" "$dkvb" encode --input gifs -o e.npy
refused 1 "files of CIFAR's Python version (pickle) are not read" "$dkvb" encode --input cifar-10-batches-py -o e.npy
refused 1 'shape (8, 8, 3) is one colour picture or 8 grey ones 3 wide' "$dkvb" encode --input colour.npy -o e.npy
refused 1 'has its channels first' "$dkvb" encode --input first.npy -o e.npy
refused 1 'pictures must be uint8, 0 to 255' "$dkvb" encode --input levels.npy -o e.npy
refused 1 'row.npy: the shape (16,) is 16 rows of 1 column, the model takes 16 columns; one row has the shape (1, 16)' \
    "$dkvb" predict m.dkvb --features row.npy
refused 1 'where that is one row, it must have the shape (1, 16)' "$dkvb" train --features row.npy --labels y.npy -o new.dkvb
refused 1 'x.npy: is a NumPy array (.npy); a file that this library wrote must be given' "$dkvb" inspect x.npy
refused 1 'lfs.dkvb: is a Git LFS pointer' "$dkvb" inspect lfs.dkvb
refused 1 'page.npy: is a web page' "$dkvb" inspect page.npy
if ! "$dkvb" encode --encoder clip --weights none --input colour.npy -o e.npy 2>&1 | grep -q 'reads no weights'; then
    weights() {
        refused 1 "$1: is $2; a .safetensors file must be given" "$dkvb" encode --encoder clip --weights "$1" --input bool.png -o e.npy
    }
    check "$python" -c 'import struct, zlib
def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
open("bool.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
                             + chunk(b"IDAT", zlib.compress(bytes(6))) + chunk(b"IEND", b""))'
    weights lfs.safetensors 'a Git LFS pointer, which stands for a file that was not fetched'
    weights pytorch_model.bin 'a PyTorch file'
    weights old.pt 'a PyTorch file of the old kind'
    weights model.safetensors.index.json 'the index of a checkpoint that is split into shards'
    weights d.h5 'an HDF5 file'
    weights d.gguf 'a GGUF file'
    weights d.npz 'a NumPy archive (.npz)'
    weights page.npy 'a web page (HTML), such as a failed download leaves'
fi
[ ! -e new.dkvb ] && [ ! -e e.npy ] || fail "a file was left"
