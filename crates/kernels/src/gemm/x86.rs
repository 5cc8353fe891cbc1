//! What the tiles of both profiles share on x86-64: the text of one term, and which rows, vectors and
//! registers a tile has.
//!
//! One text serves every height and width: what belongs to rows and vectors that a tile lacks is
//! left out by the assembler (`.if` over the function's const parameters). Rust's own code for these loops
//! walked A's rows by one chain of additions, which was slower (`docs/log.md`).

/// Text for the vectors that the tile has.
macro_rules! if_vector {
    ($v:literal $($text:expr),*) => { concat!(".if {vectors} > ", $v, "\n", $($text),*, "\n.endif\n") };
}

/// Text for the rows that the tile has.
macro_rules! if_row {
    ($r:literal $($text:expr),*) => { concat!(".if {rows} > ", $r, "\n", $($text),*, ".endif\n") };
}

/// All accumulators are +0.
macro_rules! zero {
    ($register:literal $($r:literal $address:literal [$($v:literal $offset:literal $acc:literal $right:literal),*])*) => {
        concat!($(if_row!($r $(if_vector!($v
            "vxorps ", $register, $acc, ", ", $register, $acc, ", ", $register, $acc)),*),)*)
    };
}

/// One term: the row of B at `$b` into all accumulators; A moves on by `a_step`.
macro_rules! term {
    ($register:literal $b:literal $left:literal [$($v:literal $offset:literal $right:literal),*]
     $($r:literal $address:literal [$($rv:literal $at:literal $acc:literal $acc_right:literal),*])*) => {
        concat!(
            $(if_vector!($v "vmovups ", $register, $right, ", [", $b, " + ", $offset, "]"),)*
            $(if_row!($r
                "vbroadcastss ", $register, $left, ", dword ptr ", $address, "\n",
                $(if_vector!($rv
                    "vfmadd231ps ", $register, $acc, ", ", $register, $left, ", ", $register, $acc_right)),*),)*
            "add {a}, {a_step}\n",
            "add {a4}, {a_step}\n",
        )
    };
}

/// Hands `$tile` the largest tile of AVX2: `row, its address in A, [vector, its offset in bytes, accumulator,
/// operand from B]`.
macro_rules! avx2 {
    ($tile:ident) => {
        $tile! {
            avx2, "avx2,fma", "ymm", 8, left 14, right [0 0 12, 1 32 13],
            clobbers ["xmm0" "xmm1" "xmm2" "xmm3" "xmm4" "xmm5" "xmm6" "xmm7"
                      "xmm8" "xmm9" "xmm10" "xmm11" "xmm12" "xmm13" "xmm14" "xmm15"]
            0 "[{a}]" [0 0 0 12, 1 32 1 13]
            1 "[{a} + {row}]" [0 0 2 12, 1 32 3 13]
            2 "[{a} + 2*{row}]" [0 0 4 12, 1 32 5 13]
            3 "[{a} + {row3}]" [0 0 6 12, 1 32 7 13]
            4 "[{a4}]" [0 0 8 12, 1 32 9 13]
            5 "[{a4} + {row}]" [0 0 10 12, 1 32 11 13]
        }
    };
}

/// The same of AVX-512.
macro_rules! avx512 {
    ($tile:ident) => {
        $tile! {
            avx512, "avx512f,avx512dq,avx512vl", "zmm", 16, left 27, right [0 0 24, 1 64 25, 2 128 26],
            clobbers ["xmm0" "xmm1" "xmm2" "xmm3" "xmm4" "xmm5" "xmm6" "xmm7"
                      "xmm8" "xmm9" "xmm10" "xmm11" "xmm12" "xmm13" "xmm14" "xmm15"
                      "xmm16" "xmm17" "xmm18" "xmm19" "xmm20" "xmm21" "xmm22" "xmm23"
                      "xmm24" "xmm25" "xmm26" "xmm27"]
            0 "[{a}]" [0 0 0 24, 1 64 1 25, 2 128 2 26]
            1 "[{a} + {row}]" [0 0 3 24, 1 64 4 25, 2 128 5 26]
            2 "[{a} + 2*{row}]" [0 0 6 24, 1 64 7 25, 2 128 8 26]
            3 "[{a} + {row3}]" [0 0 9 24, 1 64 10 25, 2 128 11 26]
            4 "[{a4}]" [0 0 12 24, 1 64 13 25, 2 128 14 26]
            5 "[{a4} + {row}]" [0 0 15 24, 1 64 16 25, 2 128 17 26]
            6 "[{a4} + 2*{row}]" [0 0 18 24, 1 64 19 25, 2 128 20 26]
            7 "[{a4} + {row3}]" [0 0 21 24, 1 64 22 25, 2 128 23 26]
        }
    };
}
