#!/bin/sh
# Test of MPI ranks on different hosts, which are network namespaces connected by veth pairs and a bridge. mpirun starts
# the ranks by an agent that enters a namespace, and all traffic between ranks crosses the links. The test needs root;
# the namespaces end with the test.
# shellcheck disable=SC2086 # unquoted variables hold several arguments
if [ "${4:-}" != inside ]; then
    for program in ip unshare mpirun; do
        command -v $program >/dev/null || {
            echo "skipped: no $program"
            exit 77
        }
    done
    unshare --net --mount --uts true 2>/dev/null || {
        echo "skipped: network namespaces cannot be made here (root is needed)"
        exit 77
    }
    exec unshare --net --mount --uts sh "$0" "$1" "$2" "$3" inside
fi
. "$(dirname "$0")/common.sh"

# In the network of this test, the hosts a to d have the addresses 10.77.0.1 to 10.77.0.4.
mount --make-rprivate /
mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip link set lo up
ip link add bridge0 type bridge || {
    echo "skipped: the kernel has no bridge"
    exit 77
}
ip link set bridge0 up
cp /etc/hosts hosts
number=1
for name in a b c d; do
    ip netns add $name
    ip link add port-$name type veth peer name eth0 netns $name
    ip link set port-$name master bridge0 up
    ip -n $name addr add 10.77.0.$number/24 dev eth0
    ip -n $name link set eth0 up
    ip -n $name link set lo up
    echo "10.77.0.$number $name" >>hosts
    number=$((number + 1))
done
mount --bind hosts /etc/hosts

cat >agent.sh <<'END'
#!/bin/sh
# agent.sh HOST COMMAND...: runs a command on a host, as ssh does.
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c "hostname $host; exec $*"
END
chmod +x agent.sh
cat >environment <<END
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0} OMP_NUM_THREADS=1 TMPDIR=$TMPDIR LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
END
# on_hosts HOSTS COMMAND...: runs dkvb-mpi with one rank on each host of a list such as a,b,c; mpirun runs on the first
# host.
on_hosts() {
    list=$1
    shift
    timeout 100 ip netns exec a unshare --uts sh -c 'hostname a; exec "$@"' sh \
        mpirun -H "$list" --mca plm_rsh_agent "$PWD/agent.sh" --mca btl tcp,self \
        --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
        --mca oob_tcp_keepalive_time 4 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3 \
        -x SOURCE_DATE_EPOCH -x OMP_NUM_THREADS "$mpi" "$@"
}
# sent HOST: prints the number of bytes that a host has sent over its link.
sent() {
    ip netns exec "$1" awk '/eth0:/ { print $10 }' /proc/net/dev
}

# The data have 100 classes, so that the sums sent outweigh the headers of messages, and 20 batches of 256 rows.
rows=5120 classes=100
"$python" - $rows $classes <<'END'
import sys
import numpy as np
n, classes = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(1)
y = (np.arange(n) % classes).astype(np.int32)
x = rng.standard_normal((classes, 32))[y] + rng.standard_normal((n, 32))
np.save("x.npy", x.astype(np.float32))
np.save("y.npy", y)
END
make_model="train --features x.npy --labels y.npy --codebooks 64 --keys 64 --key-dim 8 --top-k 4 --batch 256 --whiten never"

# A training by ranks over sockets writes the same file as one process.
check "$dkvb" $make_model --epochs 1 -o alone.dkvb >/dev/null
before=$(sent b)
on_hosts a,b,c $make_model --epochs 1 -o hosts.dkvb >run.out 2>run.err || fail "$(cat run.err)"
same alone.dkvb hosts.dkvb
one=$(($(sent b) - before))

# The bytes of a batch are the difference between trainings of 3 epochs and of 1 epoch, divided by the difference in
# exchanges, of which a batch has one. The limit is that of docs/scale.md, for sent and received bytes together:
#   2 * 256 * classes * 8 * (ranks - 1) / ranks * (groups of a rank + 1)
count() { # count FIELDS...: the sum of these words of the line of --stats
    sed -n 's/.*\(exchange [0-9]* calls.*\)/\1/p' run.err | awk -v fields="$*" '
        { n = split(fields, f, " "); for (i = 1; i <= n; i++) sum += $f[i] } END { print sum }'
}
on_hosts a,b,c --stats $make_model --epochs 1 -o hosts.dkvb >run.out 2>run.err || fail "$(cat run.err)"
first=$(count 4 7 13 16) first_calls=$(count 2)
before=$(sent b)
on_hosts a,b,c --stats $make_model --epochs 3 -o hosts.dkvb >run.out 2>run.err || fail "$(cat run.err)"
three=$(($(sent b) - before))
batches=$(($(count 2) - first_calls))
batch=$((($(count 4 7 13 16) - first) / batches))
wire=$(((three - one) / batches))
bound=$((2 * 256 * classes * 8 * 2 / 3 * (2 + 1)))
echo "a batch of 256 rows, $classes classes, 3 ranks: the busiest rank sends and receives $batch bytes, at most $bound; host b sends $wire over its link"
[ "$batch" -gt 100000 ] && [ "$batch" -le "$bound" ] || fail "a batch moves $batch bytes, more than $bound"
[ "$wire" -gt 50000 ] && [ "$wire" -lt "$bound" ] || fail "$wire bytes crossed the link of host b for a batch"

# If a host is cut off in the middle of the work, the error names its rank, and the job ends; `cut` is the host.
for cut in b; do
    cp alone.dkvb m.dkvb
    on_hosts a,b,c $make_model --epochs 3000 -o m.dkvb >run.out 2>run.err &
    job=$!
    for try in $(seq 200); do
        ! grep -q '^search' run.out || break # the values are trained from here on
        sleep 0.1
    done
    grep -q '^search' run.out || fail "the ranks have not begun: $(cat run.out run.err)"
    sleep 1
    ip link set port-$cut down
    from=$(date +%s)
    code=0
    wait "$job" || code=$?
    took=$(($(date +%s) - from))
    [ "$code" -ne 0 ] || fail "host $cut was cut off, and the job succeeded"
    [ "$took" -le 30 ] || fail "the job ended $took s after host $cut was cut off: $(cat run.err)"
    # If mpirun notices before the watch does, it ends the ranks by a signal, and rank 0 then prints which rank was
    # silent.
    grep -q "^dkvb-mpi: .*rank [12] on $cut" run.err || fail "$cut is not named: $(cat run.err)"
    same m.dkvb alone.dkvb
    left=$(find . -name 'm.dkvb?*')
    [ -z "$left" ] || fail "left behind: $left"
    echo "host $cut cut off: the job ended after $took s"
    # Processes on the host that was cut off end by themselves.
    for try in $(seq 300); do
        [ -n "$(ip netns pids $cut)" ] || break
        sleep 0.1
    done
    [ -z "$(ip netns pids $cut)" ] || fail "$cut: still running: $(ip netns pids $cut | xargs ps -o args= -p)"
    ip link set port-$cut up
done
