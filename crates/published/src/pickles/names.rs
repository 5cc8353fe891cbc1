//! The names of a pickle: what it would import. Every operation of protocols 0 to 5 is followed as far as it moves
//! texts about, because names may be put together on the stack and in the memo.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Most objects on the stack and in the memo.
const MOST_OBJECTS: usize = 1 << 20;
/// Most different names, and characters of one.
const MOST_NAMES: usize = 1 << 12;
const MOST_TEXT: usize = 120;
/// What stands for a name that is no text of the file.
const COMPUTED: &str = "a name that is computed";

/// What was named, and what ended the reading early.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) all: BTreeSet<String>,
    pub(super) problem: Option<String>,
    /// Pickles that were followed to their end.
    pub(super) whole: usize,
}

/// The names of the first `count` pickles of `bytes`. Those before a fault count: a pickle acts as it is read.
pub(super) fn of(bytes: &[u8], count: usize) -> Names {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        memo: HashMap::new(),
        names: BTreeSet::new(),
    };
    let mut whole = 0;
    let problem = (0..count).find_map(|_| match machine.run() {
        Ok(()) => {
            whole += 1;
            None
        }
        Err(problem) => Some(problem),
    });
    Names {
        all: machine.names,
        whole,
        problem: problem.map(|problem| format!("is no whole pickle: {problem}")),
    }
}

/// Whether weights need a name: the ones that PyTorch lets through where it is told to take weights only.
pub(super) fn is_plain(name: &str) -> bool {
    let Some((module, name)) = name.rsplit_once('.') else {
        return false;
    };
    let one = |names: &[&str]| names.contains(&name);
    match module {
        "collections" => one(&["OrderedDict", "defaultdict", "Counter"]),
        "torch._utils" => {
            name.starts_with("_rebuild_")
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        }
        "torch._tensor" => name == "_rebuild_from_type_v2",
        "torch.nn.parameter" => one(&["Parameter", "Buffer", "UninitializedParameter"]),
        "torch.storage" => one(&["UntypedStorage", "TypedStorage"]),
        "torch.serialization" => name == "_get_layout",
        "torch.torch_version" => name == "TorchVersion",
        "torch.cuda" => name.ends_with("Storage"),
        "torch" => {
            name.ends_with("Storage")
                || one(&[
                    "Size", "Tensor", "device", "dtype", "bool", "half", "float", "double",
                ])
                || ["float", "bfloat", "int", "uint", "complex", "quint", "qint"]
                    .iter()
                    .any(|kind| {
                        let bits = name.strip_prefix(kind);
                        bits.is_some_and(|bits| bits.starts_with(|c: char| c.is_ascii_digit()))
                    })
        }
        "numpy.core.multiarray" | "numpy._core.multiarray" => one(&["_reconstruct", "scalar"]),
        "numpy" => one(&["ndarray", "dtype"]),
        "numpy.dtypes" => name.ends_with("DType"),
        "_codecs" => name == "encode",
        "builtins" | "__builtin__" => one(&[
            "set",
            "frozenset",
            "bytearray",
            "bytes",
            "complex",
            "slice",
            "range",
            "list",
            "dict",
            "tuple",
            "int",
            "float",
            "str",
            "bool",
            "object",
        ]),
        "copyreg" | "copy_reg" => name == "_reconstructor",
        _ => false,
    }
}

/// What is on the stack.
#[derive(Clone, Debug)]
enum Slot {
    Mark,
    Text(Rc<str>),
    /// What a call made, which may be a text.
    Made,
    /// What is no text.
    Other,
}

struct Machine<'b> {
    bytes: &'b [u8],
    at: usize,
    stack: Vec<Slot>,
    memo: HashMap<u64, Slot>,
    names: BTreeSet<String>,
}

type Result<T> = std::result::Result<T, String>;

impl Machine<'_> {
    /// Follows one pickle to its end.
    fn run(&mut self) -> Result<()> {
        self.stack.clear();
        self.memo.clear();
        loop {
            let opcode = self.take(1)?[0];
            if opcode == b'.' {
                return Ok(());
            }
            self.step(opcode)
                .map_err(|problem| format!("{problem} (byte {})", self.at))?;
            if self.stack.len() > MOST_OBJECTS || self.memo.len() > MOST_OBJECTS {
                return Err(format!("it has more than {MOST_OBJECTS} objects"));
            }
            if self.names.len() > MOST_NAMES {
                return Err(format!("it has more than {MOST_NAMES} names"));
            }
        }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // PROTO, FRAME, READONLY_BUFFER.
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            0x98 => {}
            b'(' => self.stack.push(Slot::Mark),
            // Numbers, bytes and empty collections, by what follows the operation.
            b'N' | 0x88 | 0x89 | b']' | b'}' | b')' | 0x8f | 0x97 => self.push(),
            b'K' => self.skipped(1)?,
            b'M' => self.skipped(2)?,
            b'J' => self.skipped(4)?,
            b'G' => self.skipped(8)?,
            b'I' | b'L' | b'F' | b'P' => {
                self.line()?;
                self.push();
            }
            0x8a | b'C' => self.counted(1)?,
            0x8b | b'B' => self.counted(4)?,
            0x8e | 0x96 => self.counted(8)?,
            b'U' | 0x8c => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'V' | b'S' => {
                let line = self.line()?;
                // With an escape in it, it is another text than it looks.
                self.stack.push(match line.contains('\\') {
                    true => Slot::Made,
                    false => Slot::Text(line.trim_matches(['\'', '"']).into()),
                });
            }
            // POP, POP_MARK, DUP.
            b'0' => self.pop(1)?,
            b'1' => self.pop_to_mark()?,
            b'2' => {
                let top = self.stack.last().ok_or("it takes more than there is")?;
                self.stack.push(top.clone());
            }
            // APPEND, BUILD, SETITEM; APPENDS, SETITEMS, ADDITEMS.
            b'a' | b'b' => self.pop(1)?,
            b's' => self.pop(2)?,
            b'e' | b'u' | 0x90 => self.pop_to_mark()?,
            // TUPLE, LIST, DICT, FROZENSET.
            b't' | b'l' | b'd' | 0x91 => {
                self.pop_to_mark()?;
                self.push();
            }
            0x85..=0x87 => {
                self.pop(usize::from(opcode - 0x84))?;
                self.push();
            }
            // OBJ, BINPERSID, REDUCE, NEWOBJ, NEWOBJ_EX.
            b'o' => {
                self.pop_to_mark()?;
                self.stack.push(Slot::Made);
            }
            b'Q' => self.made_of(1)?,
            b'R' | 0x81 => self.made_of(2)?,
            0x92 => self.made_of(3)?,
            // GLOBAL, INST.
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(&module, &name)?;
                if opcode == b'i' {
                    self.pop_to_mark()?;
                }
                self.stack.push(Slot::Made);
            }
            // STACK_GLOBAL. Python refuses what is no text.
            0x93 => {
                let (name, module) = (self.stack.pop(), self.stack.pop());
                match (module, name) {
                    (Some(Slot::Text(module)), Some(Slot::Text(name))) => {
                        self.name(&module, &name)?;
                    }
                    (Some(Slot::Made | Slot::Text(_)), Some(Slot::Made | Slot::Text(_))) => {
                        self.names.insert(COMPUTED.into());
                    }
                    _ => return Err("it names something by what is no text".into()),
                }
                self.stack.push(Slot::Made);
            }
            // EXT1, EXT2, EXT4: numbers of a registry that is empty unless a program fills it.
            0x82..=0x84 => return Err("it names something by a number".into()),
            b'p' | b'g' => {
                let line = self.line()?;
                let place = line.trim().parse().map_err(|_| "a place is no number")?;
                self.memo_at(place, opcode == b'p')?;
            }
            b'q' | b'h' => {
                let place = self.number(1)?;
                self.memo_at(place, opcode == b'q')?;
            }
            b'r' | b'j' => {
                let place = self.number(4)?;
                self.memo_at(place, opcode == b'r')?;
            }
            0x94 => self.memo_at(self.memo.len() as u64, true)?,
            other => return Err(format!("there is no operation {other:#04x}")),
        }
        Ok(())
    }

    fn name(&mut self, module: &str, name: &str) -> Result<()> {
        let whole = format!("{module}.{name}");
        let shown = whole.chars().take(MOST_TEXT);
        self.names
            .insert(shown.flat_map(char::escape_debug).collect());
        // Arrays that joblib puts between the operations would be read as such.
        match name == "NumpyArrayWrapper" {
            true => Err("it goes on with arrays of joblib's".into()),
            false => Ok(()),
        }
    }

    fn push(&mut self) {
        self.stack.push(Slot::Other);
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(drop)
    }

    /// An object of so many bytes.
    fn skipped(&mut self, count: usize) -> Result<()> {
        self.skip(count)?;
        self.push();
        Ok(())
    }

    /// An object of as many bytes as a number of `width` bytes says.
    fn counted(&mut self, width: usize) -> Result<()> {
        let count = self.number(width)?;
        self.skipped(usize::try_from(count).map_err(|_| "it is too long")?)
    }

    fn text(&mut self, width: usize) -> Result<()> {
        let count = usize::try_from(self.number(width)?).map_err(|_| "it is too long")?;
        let text = String::from_utf8_lossy(self.take(count)?);
        // Longer texts are no names; memory is for those that may be.
        let text: Rc<str> = text.chars().take(2 * MOST_TEXT).collect::<String>().into();
        self.stack.push(Slot::Text(text));
        Ok(())
    }

    fn pop(&mut self, count: usize) -> Result<()> {
        let left = self.stack.len().checked_sub(count);
        self.stack
            .truncate(left.ok_or("it takes more than there is")?);
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<()> {
        let is_mark = |slot: &Slot| matches!(slot, Slot::Mark);
        let mark = self.stack.iter().rposition(is_mark);
        self.stack.truncate(mark.ok_or("a mark is missing")?);
        Ok(())
    }

    fn made_of(&mut self, count: usize) -> Result<()> {
        self.pop(count)?;
        self.stack.push(Slot::Made);
        Ok(())
    }

    fn memo_at(&mut self, place: u64, put: bool) -> Result<()> {
        if put {
            let top = self.stack.last().ok_or("it takes more than there is")?;
            self.memo.insert(place, top.clone());
        } else {
            let kept = self
                .memo
                .get(&place)
                .ok_or("it recalls what it did not keep")?;
            self.stack.push(kept.clone());
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        self.at += taken.map_or(0, <[u8]>::len);
        taken.ok_or_else(|| "it ends too early".into())
    }

    fn number(&mut self, width: usize) -> Result<u64> {
        let bytes = self.take(width)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, &b| sum << 8 | u64::from(b)))
    }

    fn line(&mut self) -> Result<String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n');
        let end = end.ok_or("it ends too early")?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end])
            .trim_end_matches('\r')
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<String> {
        of(bytes, 1).all.into_iter().collect()
    }

    #[test]
    fn attack_names_by_every_operation() {
        let cases: [&[u8]; 9] = [
            b"cos\nsystem\n(X\x02\x00\x00\x00lstR.",
            b"(S'ls'\nios\nsystem\n.",
            b"(cos\nsystem\nS'ls'\no.",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.",
            // Through the memo, by way of other objects, and as texts of protocol 0.
            b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94N000h\x01h\x00\x93)R.",
            b"Vos\nVsystem\n\x93)R.",
            b"S'os'\nS'system'\n\x93)R.",
            b"X\x02\x00\x00\x00os2q\x000U\x06systemq\x01\x93)R.",
            // What is cut off after the call was called all the same.
            b"cos\nsystem\n(S'ls'\ntR\xff",
        ];
        for bytes in cases {
            assert_eq!(all(bytes), ["os.system"], "{:?}", of(bytes, 1));
        }
        // Put together as it is read.
        for bytes in [
            &b"V\\u006fs\nVsystem\n\x93."[..],
            b"cbuiltins\nstr\n(S'os'\ntRVsystem\n\x93.",
        ] {
            assert!(all(bytes).contains(&COMPUTED.to_owned()), "{bytes:?}");
        }
        for bytes in [
            &b"\x82\x01."[..],
            b"\x84aaaa.",
            b"NN\x93.",
            b"K\x01K\x02\x93.",
        ] {
            let found = of(bytes, 1);
            assert!(found.all.is_empty() && found.problem.is_some(), "{found:?}");
        }
        // In whichever of the pickles of one file.
        let later = of(b"\x80\x03K\x01.\x80\x03}.cos\nsystem\n(tR.", 5);
        assert_eq!((later.all.len(), later.whole), (1, 3));
    }

    #[test]
    fn attack_pickles_that_never_end_or_lie() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "too early"),
            (b"\x8a\xffx", "too early"),
            (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffx", "too early"),
            (b"0.", "more than there is"),
            (b"t.", "mark is missing"),
            (b"h\x00.", "did not keep"),
            (b"\xfe.", "no operation"),
        ];
        for (bytes, expected) in cases {
            let problem = of(bytes, 1).problem.unwrap();
            assert!(problem.contains(expected), "{problem}");
        }
        let many = [b"N".repeat(MOST_OBJECTS + 2), b".".to_vec()].concat();
        assert!(of(&many, 1).problem.unwrap().contains("objects"));
        let names: String = (0..MOST_NAMES + 2).map(|i| format!("ca\nb{i}\n")).collect();
        assert!(of(names.as_bytes(), 1).problem.unwrap().contains("names"));
    }

    #[test]
    fn only_what_tensors_need_is_plain() {
        for name in [
            "torch._utils._rebuild_tensor_v2",
            "torch.FloatStorage",
            "torch.bfloat16",
            "torch.cuda.HalfStorage",
            "collections.OrderedDict",
            "numpy.core.multiarray._reconstruct",
            "builtins.set",
        ] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "os.system",
            "builtins.eval",
            "builtins.getattr",
            "torch.load",
            "torch.hub.load",
            "torch.storage._load_from_bytes",
            "torch.nn.modules.linear.Linear",
            "torch._utils._import_dotted_name",
            "torch.float_power",
            "torch._utils._rebuild_.__class__",
            "collections.namedtuple",
            "eval",
            COMPUTED,
        ] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
