//! A tensor's elements, widened to f32 on the way out.

use glasswork_kernels::gemm::View;
use glasswork_kernels::{Isa, stored};
use glasswork_release::safetensors::Dtype;

/// A tensor as it lies in its file: little-endian F32, BF16 or F16.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    bytes: &'a [u8],
    dtype: Dtype,
}

impl<'a> Stored<'a> {
    /// `dtype` is one of the three.
    pub(crate) fn new(bytes: &'a [u8], dtype: Dtype) -> Self {
        Self { bytes, dtype }
    }

    /// The elements from `first` on, as many as `out` holds; widening is exact.
    pub(crate) fn read(&self, isa: Isa, first: usize, out: &mut [f32]) {
        let size = self.dtype.size();
        let bytes = &self.bytes[first * size..(first + out.len()) * size];
        match self.dtype {
            Dtype::Bf16 => stored::widen_bf16_slice(isa, out, bytes.as_chunks().0),
            Dtype::F16 => stored::widen_f16_slice(isa, out, bytes.as_chunks().0),
            _ => {
                for (out, &bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *out = f32::from_le_bytes(bytes);
                }
            }
        }
    }

    /// `rows × cols` elements from `first` on as products read them, where they lie as numbers of this
    /// machine: not f16, and not at an odd place of the file.
    pub(crate) fn view(&self, first: usize, rows: usize, cols: usize) -> Option<View<'a>> {
        if cfg!(target_endian = "big") {
            return None;
        }
        let size = self.dtype.size();
        let bytes = &self.bytes[first * size..][..rows * cols * size];
        match self.dtype {
            Dtype::Bf16 => {
                let all = bytemuck::try_cast_slice(bytes).ok()?;
                Some(View::bf16(all, rows, cols, cols))
            }
            Dtype::F32 => Some(View::new(bytemuck::try_cast_slice(bytes).ok()?, rows, cols)),
            _ => None,
        }
    }

    /// All elements.
    pub(crate) fn all(&self, isa: Isa) -> Vec<f32> {
        let mut out = vec![0.0; self.bytes.len() / self.dtype.size()];
        self.read(isa, 0, &mut out);
        out
    }
}
