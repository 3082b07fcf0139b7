// Runs CUDA kernels on the host: the threads of a block are fibers that take turns between barriers, blocks follow
// one another. What CUDA promises about order within a block holds here too, and nothing more is used.
#include <ucontext.h>

#include <cmath>
#include <functional>
#include <vector>

using std::acos; using std::copysign; using std::exp; using std::floor; using std::fmod; using std::log; using std::log1p;

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __shared__ static

struct Place { unsigned x, y, z; };
static Place threadIdx, blockIdx, blockDim, gridDim;

static std::vector<ucontext_t> fibers;
static ucontext_t scheduler;
static unsigned current;
static std::vector<bool> finished;
static const std::function<void()>* work;

inline void __syncthreads() { swapcontext(&fibers[current], &scheduler); }
inline void __threadfence() {}
inline unsigned atomicAdd(unsigned* place, unsigned more) { unsigned before = *place; *place += more; return before; }

static void fiber() {
    (*work)();
    finished[current] = true;
    swapcontext(&fibers[current], &scheduler);
}

static void launch(unsigned x, unsigned y, unsigned threads, const std::function<void()>& kernel) {
    const size_t room = 1 << 16;
    std::vector<char> stacks(room * threads);
    gridDim = {x, y, 1};
    blockDim = {threads, 1, 1};
    work = &kernel;
    fibers.assign(threads, ucontext_t());
    for (unsigned j = 0; j < y; ++j) for (unsigned i = 0; i < x; ++i) {
        blockIdx = {i, j, 0};
        finished.assign(threads, false);
        for (unsigned t = 0; t < threads; ++t) {
            getcontext(&fibers[t]);
            fibers[t].uc_stack.ss_sp = &stacks[room * t];
            fibers[t].uc_stack.ss_size = room;
            fibers[t].uc_link = &scheduler;
            makecontext(&fibers[t], fiber, 0);
        }
        for (bool going = true; going;) {
            going = false;
            for (unsigned t = 0; t < threads; ++t) {
                if (finished[t]) continue;
                current = t;
                threadIdx = {t, 0, 0};
                swapcontext(&scheduler, &fibers[t]);
                going = going || !finished[t];
            }
        }
    }
}
