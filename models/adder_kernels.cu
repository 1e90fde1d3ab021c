// The two sums of an adder layer: a block of threads makes a tile of ROWS x COLUMNS results, a thread ROW_PART x
// COLUMN_PART of them in registers, from DEPTH terms at a time that the block shares. A term takes two instructions.
// No header is needed. Matrices are row by row in memory, without gaps.

constexpr int ROWS = 128, COLUMNS = 64, DEPTH = 16, ROW_PART = 8, COLUMN_PART = 4, THREADS = 256;
constexpr int GAP = 4;  // spreads a column over memory banks, and keeps rows on 16 bytes

typedef float Rows[DEPTH][ROWS + GAP];
typedef float Columns[DEPTH][COLUMNS + GAP];

// to[j][i] = from[first + i][start + j], or 0 beyond (rows, length)
template <int WIDTH>
__device__ void load_turned(float (*to)[WIDTH + GAP], const float* from, int first, int start, int rows, int length) {
    for (int e = threadIdx.x; e < WIDTH * DEPTH; e += THREADS) {
        int i = e / DEPTH, j = e % DEPTH;
        bool inside = first + i < rows && start + j < length;
        to[j][i] = inside ? from[(size_t)(first + i) * length + start + j] : 0.0f;
    }
}

// to[j][i] = from[start + j][first + i], or 0 beyond (length, columns)
__device__ void load(Columns to, const float* from, int first, int start, int columns, int length) {
    for (int e = threadIdx.x; e < COLUMNS * DEPTH; e += THREADS) {
        int j = e / COLUMNS, i = e % COLUMNS;
        bool inside = first + i < columns && start + j < length;
        to[j][i] = inside ? from[(size_t)(start + j) * columns + first + i] : 0.0f;
    }
}

template <int COUNT>
__device__ void read(float* to, const float* from) {
#pragma unroll
    for (int i = 0; i < COUNT; i += 4) {
        float4 four = *reinterpret_cast<const float4*>(from + i);
        to[i] = four.x, to[i + 1] = four.y, to[i + 2] = four.z, to[i + 3] = four.w;
    }
}

// out[m][n] = -(sum over k of |x[m][k] - w[n][k]|)
extern "C" __global__ void __launch_bounds__(THREADS)
adder_distances(const float* x, const float* w, float* out, int windows, int filters, int length) {
    __shared__ __align__(16) Rows xs;
    __shared__ __align__(16) Columns ws;
    const int row = threadIdx.x / (COLUMNS / COLUMN_PART) * ROW_PART;
    const int column = threadIdx.x % (COLUMNS / COLUMN_PART) * COLUMN_PART;
    const int first_row = blockIdx.x * ROWS, first_column = blockIdx.y * COLUMNS;
    float sums[ROW_PART][COLUMN_PART] = {}, a[ROW_PART], b[COLUMN_PART];
    for (int start = 0; start < length; start += DEPTH) {
        load_turned<ROWS>(xs, x, first_row, start, windows, length);
        load_turned<COLUMNS>(ws, w, first_column, start, filters, length);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            read<ROW_PART>(a, &xs[k][row]);
            read<COLUMN_PART>(b, &ws[k][column]);
#pragma unroll
            for (int i = 0; i < ROW_PART; i++)
#pragma unroll
                for (int j = 0; j < COLUMN_PART; j++) sums[i][j] -= fabsf(a[i] - b[j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < ROW_PART; i++)
#pragma unroll
        for (int j = 0; j < COLUMN_PART; j++) {
            int m = first_row + row + i, n = first_column + column + j;
            if (m < windows && n < filters) out[(size_t)m * filters + n] = sums[i][j];
        }
}

// out[m][k] = sum over o of g[m][o] * clip(w[o][k] - x[m][k], -1, 1); totals[m] = sum over o of g[m][o]
// clip(d, -1, 1) is 2 * clip(d / 2 + 1 / 2, 0, 1) - 1, and clipping to 0..1 comes free with a subtraction.
extern "C" __global__ void __launch_bounds__(THREADS)
adder_gradient(const float* x, const float* w, const float* g, const float* totals, float* out, int windows,
               int filters, int length) {
    __shared__ __align__(16) Rows gs;
    __shared__ __align__(16) Columns ws;
    const int row = threadIdx.x / (COLUMNS / COLUMN_PART) * ROW_PART;
    const int column = threadIdx.x % (COLUMNS / COLUMN_PART) * COLUMN_PART;
    const int first_row = blockIdx.x * ROWS, first_column = blockIdx.y * COLUMNS;
    float halves[ROW_PART][COLUMN_PART], sums[ROW_PART][COLUMN_PART] = {}, a[ROW_PART], b[COLUMN_PART];
#pragma unroll
    for (int i = 0; i < ROW_PART; i++)
#pragma unroll
        for (int j = 0; j < COLUMN_PART; j++) {
            int m = first_row + row + i, k = first_column + column + j;
            halves[i][j] = m < windows && k < length ? 0.5f * x[(size_t)m * length + k] : 0.0f;
        }
    for (int start = 0; start < filters; start += DEPTH) {
        load_turned<ROWS>(gs, g, first_row, start, windows, filters);
        load(ws, w, first_column, start, length, filters);
        __syncthreads();
#pragma unroll
        for (int o = 0; o < DEPTH; o++) {
            read<ROW_PART>(a, &gs[o][row]);
            read<COLUMN_PART>(b, &ws[o][column]);
#pragma unroll
            for (int j = 0; j < COLUMN_PART; j++) b[j] = fmaf(0.5f, b[j], 0.5f);
#pragma unroll
            for (int i = 0; i < ROW_PART; i++)
#pragma unroll
                for (int j = 0; j < COLUMN_PART; j++)
                    sums[i][j] = fmaf(a[i], __saturatef(b[j] - halves[i][j]), sums[i][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < ROW_PART; i++) {
        int m = first_row + row + i;
        if (m >= windows) continue;
#pragma unroll
        for (int j = 0; j < COLUMN_PART; j++) {
            int k = first_column + column + j;
            if (k < length) out[(size_t)m * length + k] = fmaf(2.0f, sums[i][j], -totals[m]);
        }
    }
}
