"""E6xx: files and input values."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E601",
        "an array of a kind that is not computed with",
        "A file holds values that are neither float32, float64, int64 nor bool (or integers and floats that convert to "
        "them without loss), such as text, complex numbers or Python objects. Convert them before.",
        "$ python -c \"import numpy; numpy.save('z.npy', numpy.array([1 + 2j]))\"\n$ ndgrad eval 'z * 2' -i z=z.npy\n",
        "$ python -c \"import numpy; numpy.save('z.npy', numpy.array([1.0]))\"\n$ ndgrad eval 'z * 2' -i z=z.npy\n",
    ),
    Entry(
        "E602",
        "a file that cannot be read",
        "The file is not there, is a folder, or may not be read. A path is taken from the folder in which the command "
        "runs.",
        "$ ndgrad run programm.nd\n",
        "$ echo 'y = 3 ** 2' > program.nd\n$ ndgrad run program.nd\n",
    ),
    Entry(
        "E603",
        "a file that is not text",
        "A program, and a table, is plain text in UTF-8. This file is something else: an array given in the place of "
        "the program, for example, or text saved in an old encoding.",
        "$ printf 'y = 3  # caf\\351' > program.nd\n$ ndgrad run program.nd\n",
        "$ printf 'y = 3  # caf\\303\\251' > program.nd\n$ ndgrad run program.nd\n",
    ),
    Entry(
        "E604",
        "an input of a kind that is not computed with",
        "A value that was given to the program is no number and no array of float32, float64, int64 or bool, or its "
        "rows differ in length, or the declared dtype cannot hold it.",
        "$ ndgrad eval 'input k: int64; y = k * 2' -i k=1.5\n",
        "$ ndgrad eval 'input k: float64; y = k * 2' -i k=1.5\n",
    ),
    Entry(
        "E605",
        "a file that cannot be used",
        "`use` takes the path of a file, relative to the file that says so. It must be there, below the folder of the "
        "program that was started, and must not use that program in turn.",
        "$ ndgrad eval 'use \"../other.nd\"; y = f(3)'\n",
        "$ printf 'def f(x): return 2 * x\n' > other.nd\n$ ndgrad eval 'use \"other.nd\"; y = f(3)'\n",
    ),
    Entry(
        "E610",
        "a value that is neither a number nor a file",
        "The VALUE of `-i NAME=VALUE` is a number, a list, a file of a known kind, or `-` for standard input. Text "
        "that is none of these may be the name of a file that is not there.",
        "$ ndgrad eval 'x ** 2' -i x=three\n",
        "$ ndgrad eval 'x ** 2' -i x=3\n",
    ),
    Entry(
        "E611",
        "a file whose kind is not known",
        "The ending of a file's name says how it is read: .npy, .npz, .csv, .tsv, .txt, .json, .jsonl, .safetensors, "
        ".h5, .zarr or .parquet.",
        "$ echo '[1, 2]' > x.data\n$ ndgrad eval 'x ** 2' -i x=x.data\n",
        "$ echo '[1, 2]' > x.json\n$ ndgrad eval 'x ** 2' -i x=x.json\n",
    ),
    Entry(
        "E612",
        "a list that cannot be read",
        "A value on the command line is a number, or numbers in square brackets with commas, nested as deep as the "
        "array has axes. `nan`, `inf` and `-inf` are numbers too.",
        "$ ndgrad eval 'sum(x)' -i 'x=[1, 2; 3, 4]'\n",
        "$ ndgrad eval 'sum(x)' -i 'x=[[1, 2], [3, 4]]'\n",
    ),
    Entry(
        "E613",
        "rows of different lengths",
        "The rows of a nested list must be equally long. A missing number is written `nan`.",
        "$ ndgrad eval 'sum(x)' -i 'x=[[1, 2], [3]]'\n",
        "$ ndgrad eval 'sum(x)' -i 'x=[[1, 2], [3, 4]]'\n",
    ),
    Entry(
        "E614",
        "a damaged file of arrays",
        "The file is shorter than its header says, or does not begin as a file of its kind does. It may have been cut "
        "off while it was copied or written.",
        "$ python -c \"import numpy; numpy.save('x.npy', numpy.ones(9))\"\n$ head -c 150 x.npy > cut.npy\n"
        "$ ndgrad eval 'sum(x)' -i x=cut.npy\n",
        "$ python -c \"import numpy; numpy.save('x.npy', numpy.ones(9))\"\n$ ndgrad eval 'sum(x)' -i x=x.npy\n",
    ),
    Entry(
        "E615",
        "a table with something that is no number",
        "A cell of the table is empty or holds text. One column is read with `FILE:COLUMN`; a missing number is "
        "written `nan`.",
        "$ printf 'name,mass\\niron,7.9\\n' > t.csv\n$ ndgrad eval 'sum(t)' -i t=t.csv\n",
        "$ printf 'name,mass\\niron,7.9\\n' > t.csv\n$ ndgrad eval 'sum(t)' -i t=t.csv:mass\n",
    ),
    Entry(
        "E616",
        "a table whose rows differ in length",
        "Every row of a table has as many cells as the first one.",
        "$ printf '1,2\\n3\\n' > t.csv\n$ ndgrad eval 'sum(t)' -i t=t.csv\n",
        "$ printf '1,2\\n3,4\\n' > t.csv\n$ ndgrad eval 'sum(t)' -i t=t.csv\n",
    ),
    Entry(
        "E617",
        "a column or array that the file does not have",
        "`FILE:COLUMN` names a column by its heading, or by its number, counted from 0, where the table has no "
        "headings. `FILE:NAME` names an array of a file that holds several.",
        "$ printf 'mass,time\\n1,2\\n' > t.csv\n$ ndgrad eval 'sum(t)' -i t=t.csv:speed\n",
        "$ printf 'mass,time\\n1,2\\n' > t.csv\n$ ndgrad eval 'sum(t)' -i t=t.csv:time\n",
    ),
    Entry(
        "E618",
        "JSON that holds no array",
        "The file is not JSON, or holds something else than a number, nested lists of numbers, or a result that "
        "ndgrad wrote.",
        "$ echo '[1, 2' > x.json\n$ ndgrad eval 'sum(x)' -i x=x.json\n",
        "$ echo '[1, 2]' > x.json\n$ ndgrad eval 'sum(x)' -i x=x.json\n",
    ),
    Entry(
        "E619",
        "nothing to read",
        "The file is empty, or nothing came through the pipe. The command before it in the pipe may have failed.",
        "$ ndgrad eval 'sum(x)' -i x=- < /dev/null\n",
        "$ echo '[1, 2]' | ndgrad eval 'sum(x)' -i x=-\n",
    ),
    Entry(
        "E620",
        "a file that cannot be written",
        "The folder of the output file is not there, or may not be written to, or the disk is full.",
        "$ ndgrad eval '3 ** 2' -o results/y.json\n",
        "$ mkdir results\n$ ndgrad eval '3 ** 2' -o results/y.json\n",
    ),
    Entry(
        "E621",
        "an output over an input",
        "The output file is one of the files that the run reads, which would be lost. Choose another name.",
        "$ echo '[1, 2]' > x.json\n$ ndgrad eval 'x ** 2' -i x=x.json -o x.json\n",
        "$ echo '[1, 2]' > x.json\n$ ndgrad eval 'x ** 2' -i x=x.json -o y.json\n",
    ),
    Entry(
        "E622",
        "one array wanted of a file that holds several",
        "Files such as .npz hold arrays by name. `FILE:NAME` says which is meant; only one array by itself can "
        "go without.",
        "$ ndgrad eval 'x * w' -i x=2 -i w=3 --grad x,w -o g.npz\n$ ndgrad eval 'sum(g)' -i g=g.npz\n",
        "$ ndgrad eval 'x * w' -i x=2 -i w=3 --grad x,w -o g.npz\n$ ndgrad eval 'sum(g)' -i g=g.npz:w\n",
    ),
    Entry(
        "E623",
        "standard input holds one value, or too many",
        "Several values can be taken from standard input where arrays in .npy come one after the other, as "
        "`--format npy` writes them, or where each takes a part, as in `-i x=-:mass -i t=-:time`. As many must be "
        "taken as there are.",
        "$ echo '[1, 2]' | ndgrad eval 'x * w' -i x=- -i w=-\n",
        "$ printf 'x,w\\n1,2\\n3,4\\n' | ndgrad eval 'x * w' -i x=-:x -i w=-:w\n",
    ),
    Entry(
        "E624",
        "a result that makes no table",
        "In a CSV file arrays stand side by side, so they have one or two axes and equally many rows.",
        "$ ndgrad eval 'sum(x) * w' -i x=[1,2,3] -i w=[4,5] --grad x,w -o g.csv\n",
        "$ ndgrad eval 'sum(x) * w' -i x=[1,2,3] -i w=[4,5] --grad x -o g.csv\n",
    ),
    Entry(
        "E625",
        "a value without records",
        "`--each` runs a program for every line of JSON lines, every array of a .npy stream, or every row of an array. "
        "One number has no rows.",
        "$ ndgrad eval 'x ** 2' --each x -i x=3\n",
        "$ ndgrad eval 'x ** 2' --each x -i x=[3,4]\n",
    ),
)
