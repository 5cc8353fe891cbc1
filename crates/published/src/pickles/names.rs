//! The names of a pickle: what it would import. Every operation of protocols 0 to 5 is followed as far as it moves
//! texts about, because names may be put together on the stack and in the memo.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::inventory::Pickle;

use super::kept::Kept;

/// Most objects on the stack and in the memo.
const MOST_OBJECTS: usize = 1 << 20;
/// Most characters of one name.
const MOST_TEXT: usize = 200;
/// What stands for a name that is no text of the file.
pub(super) const COMPUTED: &str = "a name that is computed";
/// What stands for a name that is longer than any.
pub(super) const LONG: &str = "a name that is too long";
/// Pickles at the beginning of a file of PyTorch before 1.6, before its tensors …
const PICKLES: usize = 5;
/// … the first of which is this number, in binary and in figures.
const MAGIC: [&[u8]; 2] = [
    b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
    b"L119547037146038801333356",
];
/// What looks attributes up, and what reads a file of PyTorch that lies within a pickle.
const LOOK_UP: [&str; 2] = ["builtins.getattr", "__builtin__.getattr"];
const LOAD: &str = "torch.storage._load_from_bytes";
/// Files within pickles within files: as deep as anybody goes.
const DEEPEST: usize = 3;

/// How far pickles were followed.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// What ended the reading early.
    pub(super) problem: Option<String>,
    /// Whether only tensors come after what was read.
    pub(super) tensors_follow: bool,
}

/// Keeps the names of one pickle, and says why it was not followed to its end.
pub(super) fn one(bytes: &[u8], kept: &mut Kept) -> Option<String> {
    let mut machine = Machine::new(bytes, kept, 0);
    let ended = machine.run();
    not_whole(ended.err().or(machine.unread))
}

/// Keeps the names of all pickles of `bytes`, one after the other, up to tensors of PyTorch before 1.6.
pub(super) fn all(bytes: &[u8], kept: &mut Kept) -> Read {
    within(bytes, kept, 0)
}

fn not_whole(problem: Option<String>) -> Option<String> {
    problem.map(|problem| format!("is no whole pickle: {problem}"))
}

fn within(bytes: &[u8], kept: &mut Kept, depth: usize) -> Read {
    let mut machine = Machine::new(bytes, kept, depth);
    let (mut whole, mut of_torch) = (0, false);
    let mut ended = Ok(());
    while ended.is_ok()
        && !(of_torch && whole == PICKLES)
        && (whole == 0 || machine.at < bytes.len())
    {
        ended = machine.run();
        whole += usize::from(ended.is_ok());
        if whole == 1 {
            let first = &bytes[..machine.at];
            // Before it comes little: which protocol, how long.
            let is_in = |magic: &&[u8]| first.windows(magic.len()).any(|at| at == *magic);
            of_torch = first.len() < 64 && MAGIC.iter().any(is_in);
        }
    }
    let tensors_follow = ended.is_ok() && of_torch && whole == PICKLES && machine.unread.is_none();
    Read {
        problem: not_whole(ended.err().or(machine.unread)),
        tensors_follow,
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
    /// Where bytes lie.
    Bytes(Range<usize>),
    /// What was named, by `module.name`.
    Named(Rc<str>),
    /// What a class made that was named so.
    Instance(Rc<str>),
    /// One or two of them.
    Tuple(Rc<[Slot]>),
    /// What a call made, which may be a text.
    Made,
    /// What is no text.
    Other,
}

struct Machine<'b, 'k> {
    bytes: &'b [u8],
    at: usize,
    stack: Vec<Slot>,
    memo: HashMap<u64, Slot>,
    kept: &'k mut Kept,
    /// What a call would read that is not followed.
    unread: Option<String>,
    depth: usize,
    /// Bytes of files within that may still be followed: each once.
    left: usize,
}

type Result<T> = std::result::Result<T, String>;

impl<'b, 'k> Machine<'b, 'k> {
    fn new(bytes: &'b [u8], kept: &'k mut Kept, depth: usize) -> Self {
        Self {
            bytes,
            at: 0,
            stack: Vec::new(),
            memo: HashMap::new(),
            kept,
            unread: None,
            depth,
            left: bytes.len(),
        }
    }

    /// Follows one pickle to its end.
    fn run(&mut self) -> Result<()> {
        let ended = self.follow();
        // What is left was named, too, if the end is one.
        for slot in std::mem::take(&mut self.stack) {
            self.used(&slot);
        }
        self.memo.clear();
        ended
    }

    fn follow(&mut self) -> Result<()> {
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
        }
    }

    /// Takes note of what is used in another way than is followed.
    fn used(&mut self, slot: &Slot) {
        if let Slot::Named(name) = slot {
            if LOOK_UP.contains(&&**name) {
                self.kept.insert(name.to_string());
            } else if &**name == LOAD {
                self.unread = Some("it loads what is not looked into".into());
            }
        }
    }

    /// A call: of a class, of what looks a literal name up in a class or in what it made, of what reads bytes of the file.
    fn call(&mut self) -> Result<()> {
        let too_few = "it takes more than there is";
        let given = self.stack.pop().ok_or(too_few)?;
        let called = self.stack.pop().ok_or(too_few)?;
        let given: &[Slot] = match &given {
            Slot::Tuple(given) => given,
            other => {
                self.used(other);
                &[]
            }
        };
        let Slot::Named(name) = &called else {
            self.stack.push(Slot::Made);
            return Ok(());
        };
        let made = match given {
            [Slot::Named(of), Slot::Text(attribute)]
                if LOOK_UP.contains(&&**name) && Pickle::is_class(of) && is_own(attribute) =>
            {
                Slot::Named(self.keep_looked_up(of, attribute))
            }
            [Slot::Instance(of), Slot::Text(attribute)]
                if LOOK_UP.contains(&&**name) && is_own(attribute) =>
            {
                self.keep_looked_up(of, attribute);
                Slot::Made
            }
            [Slot::Bytes(range)]
                if &**name == LOAD && self.depth < DEEPEST && range.len() <= self.left =>
            {
                self.left -= range.len();
                let bytes = &self.bytes[range.clone()];
                let read = within(bytes, self.kept, self.depth + 1);
                self.unread = self.unread.take().or(read.problem);
                Slot::Other
            }
            _ => {
                self.used(&called);
                match Pickle::is_class(name) {
                    true => Slot::Instance(name.clone()),
                    false => Slot::Made,
                }
            }
        };
        self.stack.push(made);
        Ok(())
    }

    fn keep_looked_up(&mut self, of: &str, attribute: &str) -> Rc<str> {
        let (module, class) = Pickle::parts(of);
        let whole = whole(module, &format!("{class}.{attribute}"));
        self.kept.insert(whole.clone());
        whole.into()
    }

    /// Ends a tuple.
    fn tuple(&mut self, count: usize) -> Result<()> {
        let start = self.stack.len().checked_sub(count);
        let items: Vec<Slot> = self
            .stack
            .drain(start.ok_or("it takes more than there is")?..)
            .collect();
        for item in &items {
            self.used(item);
        }
        // Tuples of tuples are no arguments that are followed.
        let flat = !items.iter().any(|item| matches!(item, Slot::Tuple(_)));
        self.stack.push(match (1..=2).contains(&count) && flat {
            true => Slot::Tuple(items.into()),
            false => Slot::Other,
        });
        Ok(())
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
            0x8a => self.counted(1).map(drop)?,
            0x8b => self.counted(4).map(drop)?,
            b'C' => self.data(1)?,
            b'B' => self.data(4)?,
            0x8e | 0x96 => self.data(8)?,
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
            b't' => {
                let is_mark = |slot: &Slot| matches!(slot, Slot::Mark);
                let mark = self.stack.iter().rposition(is_mark);
                let mark = mark.ok_or("a mark is missing")?;
                self.tuple(self.stack.len() - mark - 1)?;
                let tuple = self.stack.pop();
                self.stack.truncate(mark);
                self.stack.extend(tuple);
            }
            b'l' | b'd' | 0x91 => {
                self.pop_to_mark()?;
                self.push();
            }
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            // OBJ, BINPERSID, REDUCE, NEWOBJ, NEWOBJ_EX.
            b'o' => {
                self.pop_to_mark()?;
                self.stack.push(Slot::Made);
            }
            b'Q' => self.made_of(1)?,
            b'R' | 0x81 => self.call()?,
            0x92 => self.made_of(3)?,
            // GLOBAL, INST.
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let named = self.name(&module, &name)?;
                if opcode == b'i' {
                    self.used(&named);
                    self.pop_to_mark()?;
                    self.stack.push(Slot::Made);
                } else {
                    self.stack.push(named);
                }
            }
            // STACK_GLOBAL. Python refuses what is no text.
            0x93 => {
                let (name, module) = (self.stack.pop(), self.stack.pop());
                let named = match (module, name) {
                    (Some(Slot::Text(module)), Some(Slot::Text(name))) => {
                        self.name(&module, &name)?
                    }
                    (Some(module), Some(name)) if may_be_text(&module) && may_be_text(&name) => {
                        self.kept.insert(COMPUTED.into());
                        Slot::Made
                    }
                    _ => return Err("it names something by what is no text".into()),
                };
                self.stack.push(named);
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

    fn name(&mut self, module: &str, name: &str) -> Result<Slot> {
        let whole = whole(module, name);
        // What looks up or loads is kept where it is used in a way that is not followed.
        if !LOOK_UP.contains(&&*whole) {
            self.kept.insert(whole.clone());
        }
        // Arrays that joblib puts between the operations would be read as such.
        match name == "NumpyArrayWrapper" {
            true => Err("it goes on with arrays of joblib's".into()),
            false => Ok(Slot::Named(whole.into())),
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

    /// An object of as many bytes as a number of `width` bytes says, and where they begin.
    fn counted(&mut self, width: usize) -> Result<usize> {
        let count = self.number(width)?;
        let start = self.at;
        self.skipped(usize::try_from(count).map_err(|_| "it is too long")?)?;
        Ok(start)
    }

    fn data(&mut self, width: usize) -> Result<()> {
        let start = self.counted(width)?;
        if let Some(top) = self.stack.last_mut() {
            *top = Slot::Bytes(start..self.at);
        }
        Ok(())
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
        self.shorten(left.ok_or("it takes more than there is")?);
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<()> {
        let is_mark = |slot: &Slot| matches!(slot, Slot::Mark);
        let mark = self.stack.iter().rposition(is_mark);
        self.shorten(mark.ok_or("a mark is missing")?);
        Ok(())
    }

    fn shorten(&mut self, left: usize) {
        while self.stack.len() > left {
            if let Some(slot) = self.stack.pop() {
                self.used(&slot);
            }
        }
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

/// A name as it is kept: `module.name`, or `module:name` where the name leads on.
fn whole(module: &str, name: &str) -> String {
    let between = if name.contains('.') { ':' } else { '.' };
    let whole = format!("{module}{between}{name}");
    match whole.chars().count() > MOST_TEXT {
        true => LONG.into(),
        false => whole.chars().flat_map(char::escape_debug).collect(),
    }
}

/// Whether an attribute is one that classes have of their own, which leads nowhere else.
fn is_own(attribute: &str) -> bool {
    !attribute.starts_with("__") && !attribute.contains('.')
}

fn may_be_text(slot: &Slot) -> bool {
    matches!(
        slot,
        Slot::Made | Slot::Text(_) | Slot::Named(_) | Slot::Instance(_)
    )
}

#[cfg(test)]
mod tests;
