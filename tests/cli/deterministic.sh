#!/bin/sh
# Test that the same data, options and seed give a model of the same bytes, for any number of threads and all kernels.
# Another seed gives another model.
. "$(dirname "$0")/common.sh"
make_data
for init in means ema sample; do
    train_small one.dkvb --init $init --seed 3 --threads 1 --top-k 2 --epochs 2
    train_small two.dkvb --init $init --seed 3 --threads 2 --top-k 2 --epochs 2
    same one.dkvb two.dkvb
    (
        export DKVB_KERNELS=scalar
        train_small scalar.dkvb --init $init --seed 3 --threads 2 --top-k 2 --epochs 2
    )
    same one.dkvb scalar.dkvb
    train_small other.dkvb --init $init --seed 4 --top-k 2 --epochs 2
    cmp -s one.dkvb other.dkvb && fail "seed 4 gave the model of seed 3"
    for threads in 1 2; do
        check "$dkvb" forget one.dkvb -o "forget$threads.dkvb" --method activations --pairs 30 --features x.npy \
            --salt $salt --threads $threads >/dev/null
        check "$dkvb" search "forget$threads.dkvb" --features test_x.npy -o "codes$threads.npy" \
            --distances "dist$threads.npy" --threads $threads >/dev/null
    done
    same forget1.dkvb forget2.dkvb
    same codes1.npy codes2.npy
    same dist1.npy dist2.npy
    check env DKVB_KERNELS=scalar "$dkvb" search forget1.dkvb --features test_x.npy -o plain.npy \
        --distances plain_dist.npy >/dev/null
    same codes1.npy plain.npy
    same dist1.npy plain_dist.npy
done
