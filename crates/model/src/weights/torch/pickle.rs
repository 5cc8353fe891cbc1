//! Reads the one kind of pickle that a file of weights is, and executes nothing.
//!
//! A pickle is a program for a stack machine that may call any function of Python. This machine knows a
//! dictionary, a tensor over a storage, and the numbers and names that describe them. Every other name, and
//! every other operation, is an error that says which. Objects live in a list and refer to each other by
//! number, so that a pickle that refers to itself is a list as finite as its bytes.

use glasswork_release::safetensors::Dtype;
use std::collections::HashMap;
use std::rc::Rc;

/// A tensor: part of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Name of the storage in its file.
    pub(super) storage: Rc<str>,
    pub(super) dtype: Dtype,
    /// Elements of the whole storage.
    pub(super) stored: u64,
    /// First element.
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    pub(super) strides: Vec<u64>,
}

/// A number of an object.
type Id = usize;

/// Most objects of a pickle, names of tensors, and dimensions of one: far more than any model has.
const MOST_OBJECTS: usize = 4 << 20;
const MOST_TENSORS: usize = 1 << 20;
const MOST_DIMENSIONS: usize = 8;

/// What a name of Python stands for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

#[derive(Clone, Debug)]
enum Object {
    None,
    Bool,
    Int(i64),
    /// A long integer that does not fit, or a float: only passed on.
    Number,
    Text(Rc<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage {
        key: Rc<str>,
        dtype: Dtype,
        elements: u64,
    },
    Tensor(Tensor),
}

/// What is on the stack.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Mark,
    Object(Id),
}

/// The names that a file of weights uses.
fn global(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch", "FloatStorage") => Global::Storage(Dtype::F32),
        ("torch", "BFloat16Storage") => Global::Storage(Dtype::Bf16),
        ("torch", "HalfStorage") => Global::Storage(Dtype::F16),
        ("torch", "DoubleStorage") => Global::Storage(Dtype::F64),
        ("torch", "LongStorage") => Global::Storage(Dtype::I64),
        ("torch", "IntStorage") => Global::Storage(Dtype::I32),
        ("torch", "ShortStorage") => Global::Storage(Dtype::I16),
        ("torch", "CharStorage") => Global::Storage(Dtype::I8),
        ("torch", "ByteStorage") => Global::Storage(Dtype::U8),
        ("torch", "BoolStorage") => Global::Storage(Dtype::Bool),
        _ => return None,
    })
}

/// The machine, over the bytes of one or more pickles.
pub(super) struct Machine<'b> {
    bytes: &'b [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Slot>,
    memo: HashMap<u32, Id>,
}

/// What is wrong, for a message.
type Result<T> = std::result::Result<T, String>;

fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

impl<'b> Machine<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            objects: Vec::new(),
            stack: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The tensors of the next pickle, a dictionary of names and tensors, in their order.
    pub(super) fn tensors(&mut self) -> Result<Vec<(Rc<str>, Tensor)>> {
        let top = self.run()?;
        let Object::Dict(entries) = &self.objects[top] else {
            return Err("is no dictionary of tensors".into());
        };
        if entries.len() > MOST_TENSORS {
            return Err(format!("has {} tensors", entries.len()));
        }
        let mut tensors = Vec::with_capacity(entries.len());
        for &(key, value) in entries {
            let Object::Text(name) = &self.objects[key] else {
                return Err("has a key that is no text".into());
            };
            let Object::Tensor(tensor) = &self.objects[value] else {
                return Err(format!("`{}` is no tensor", shown(name)));
            };
            tensors.push((name.clone(), tensor.clone()));
        }
        Ok(tensors)
    }

    /// The texts of the next pickle, a list.
    pub(super) fn texts(&mut self) -> Result<Vec<Rc<str>>> {
        let top = self.run()?;
        let Object::List(items) = &self.objects[top] else {
            return Err("is no list".into());
        };
        let text = |&id: &Id| match &self.objects[id] {
            Object::Text(text) => Ok(text.clone()),
            _ => Err("holds something that is no text".to_owned()),
        };
        items.iter().map(text).collect()
    }

    /// Passes over the next pickle.
    pub(super) fn skip(&mut self) -> Result<()> {
        self.run().map(drop)
    }

    /// Runs one pickle; its object.
    fn run(&mut self) -> Result<Id> {
        self.objects.clear();
        self.stack.clear();
        self.memo.clear();
        loop {
            let opcode = self.byte()?;
            if opcode == b'.' {
                let top = self.pop()?;
                return if self.stack.is_empty() {
                    Ok(top)
                } else {
                    Err("ends before it is whole".into())
                };
            }
            self.step(opcode)
                .map_err(|problem| format!("{problem} (byte {})", self.at))?;
            if self.objects.len() > MOST_OBJECTS {
                return Err("has too many objects".into());
            }
        }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        let object = match opcode {
            // PROTO, FRAME: nothing to do.
            0x80 => {
                self.byte()?;
                return Ok(());
            }
            0x95 => {
                self.take(8)?;
                return Ok(());
            }
            b'(' => {
                self.stack.push(Slot::Mark);
                return Ok(());
            }
            b'N' => Object::None,
            0x88 | 0x89 => Object::Bool,
            b'K' => Object::Int(i64::from(self.byte()?)),
            b'M' => Object::Int(self.number::<2>()?),
            b'J' => Object::Int(i64::from(self.number::<4>()? as u32 as i32)),
            0x8a => {
                let length = usize::from(self.byte()?);
                long(self.take(length)?)
            }
            b'G' => {
                self.take(8)?;
                Object::Number
            }
            b'X' | b'T' => self.text::<4>()?,
            0x8c | b'U' => self.text::<1>()?,
            b']' => Object::List(Vec::new()),
            b'}' => Object::Dict(Vec::new()),
            b')' => Object::Tuple(Vec::new()),
            b't' => Object::Tuple(self.pop_to_mark()?),
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0..opcode - 0x84 {
                    items.push(self.pop()?);
                }
                items.reverse();
                Object::Tuple(items)
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Object::Global(known(&module, &name)?)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Object::Text(module), Object::Text(name)) =
                    (&self.objects[module], &self.objects[name])
                else {
                    return Err("names something by what is no text".into());
                };
                Object::Global(known(module, name)?)
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?
            }
            b'Q' => {
                let id = self.pop()?;
                self.storage(id)?
            }
            b'q' => return self.remember_at::<1>(),
            b'r' => return self.remember_at::<4>(),
            0x94 => return self.remember(self.memo.len() as u32),
            b'h' => return self.recall::<1>(),
            b'j' => return self.recall::<4>(),
            b'a' => {
                let item = self.pop()?;
                return self.append(vec![item]);
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                return self.append(items);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                return self.set(&[key, value]);
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                return self.set(&items);
            }
            // BUILD: attributes of a dictionary, such as `_metadata`; they say nothing about tensors.
            b'b' => {
                self.pop()?;
                let target = self.top()?;
                return match self.objects[target] {
                    Object::Dict(_) => Ok(()),
                    _ => Err("gives attributes to what is no dictionary".into()),
                };
            }
            other => {
                return Err(format!(
                    "uses the operation {other:#04x}, which weights do not need"
                ));
            }
        };
        self.push(object);
        Ok(())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(Slot::Object(self.objects.len()));
        self.objects.push(object);
    }

    fn pop(&mut self) -> Result<Id> {
        match self.stack.pop() {
            Some(Slot::Object(id)) => Ok(id),
            _ => Err("takes more than there is".into()),
        }
    }

    fn top(&self) -> Result<Id> {
        match self.stack.last() {
            Some(&Slot::Object(id)) => Ok(id),
            _ => Err("takes more than there is".into()),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        let mut items = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Slot::Object(id)) => items.push(id),
                Some(Slot::Mark) => break,
                None => return Err("takes more than there is".into()),
            }
        }
        items.reverse();
        Ok(items)
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        let list = self.top()?;
        let Object::List(list) = &mut self.objects[list] else {
            return Err("appends to what is no list".into());
        };
        list.extend(items);
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<()> {
        let dict = self.top()?;
        let Object::Dict(dict) = &mut self.objects[dict] else {
            return Err("puts an entry into what is no dictionary".into());
        };
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("has a key without a value".into());
        }
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn remember(&mut self, place: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn remember_at<const N: usize>(&mut self) -> Result<()> {
        let place = self.number::<N>()? as u32;
        self.remember(place)
    }

    fn recall<const N: usize>(&mut self) -> Result<()> {
        let place = self.number::<N>()? as u32;
        let id = self
            .memo
            .get(&place)
            .ok_or("recalls what was not remembered")?;
        self.stack.push(Slot::Object(*id));
        Ok(())
    }

    /// What a call of one of the known functions gives.
    fn call(&self, function: Id, arguments: Id) -> Result<Object> {
        let (Object::Global(function), Object::Tuple(arguments)) =
            (&self.objects[function], &self.objects[arguments])
        else {
            return Err("calls what is no function".into());
        };
        let argument = |index: usize| arguments.get(index).map(|&id| &self.objects[id]);
        match function {
            Global::OrderedDict if arguments.is_empty() => Ok(Object::Dict(Vec::new())),
            Global::RebuildParameter => match argument(0) {
                Some(Object::Tensor(tensor)) => Ok(Object::Tensor(tensor.clone())),
                _ => Err("makes a parameter of what is no tensor".into()),
            },
            Global::RebuildTensor => {
                let (
                    Some(Object::Storage {
                        key,
                        dtype,
                        elements,
                    }),
                    Some(&Object::Int(offset)),
                    Some(Object::Tuple(shape)),
                    Some(Object::Tuple(strides)),
                ) = (argument(0), argument(1), argument(2), argument(3))
                else {
                    return Err(
                        "makes a tensor of something else than a storage, a place and a shape"
                            .into(),
                    );
                };
                Ok(Object::Tensor(Tensor {
                    storage: key.clone(),
                    dtype: *dtype,
                    stored: *elements,
                    offset: count(offset)?,
                    shape: self.counts(shape)?,
                    strides: self.counts(strides)?,
                }))
            }
            _ => Err("calls a function with arguments that it does not take".into()),
        }
    }

    fn counts(&self, ids: &[Id]) -> Result<Vec<u64>> {
        if ids.len() > MOST_DIMENSIONS {
            return Err(format!("has a tensor of {} dimensions", ids.len()));
        }
        let of = |&id: &Id| match self.objects[id] {
            Object::Int(value) => count(value),
            _ => Err("has a shape that is no numbers".into()),
        };
        ids.iter().map(of).collect()
    }

    /// The persistent id of a storage: `("storage", type, key, device, elements)`, in older files with a sixth part.
    fn storage(&self, id: Id) -> Result<Object> {
        let Object::Tuple(parts) = &self.objects[id] else {
            return Err("refers to what is no storage".into());
        };
        let part = |index: usize| parts.get(index).map(|&id| &self.objects[id]);
        match (part(0), part(1), part(2), part(4), part(5)) {
            (
                Some(Object::Text(kind)),
                Some(&Object::Global(Global::Storage(dtype))),
                Some(Object::Text(key)),
                Some(&Object::Int(elements)),
                None | Some(Object::None),
            ) if &**kind == "storage" => Ok(Object::Storage {
                key: key.clone(),
                dtype,
                elements: count(elements)?,
            }),
            _ => Err("refers to what is no storage".into()),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8]> {
        let taken = self
            .at
            .checked_add(count)
            .and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or("ends too early")?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of up to four bytes.
    fn number<const N: usize>(&mut self) -> Result<i64> {
        let bytes = self.take(N)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, &b| sum << 8 | i64::from(b)))
    }

    fn text<const N: usize>(&mut self) -> Result<Object> {
        let length = self.number::<N>()? as usize;
        let text =
            std::str::from_utf8(self.take(length)?).map_err(|_| "holds text that is none")?;
        Ok(Object::Text(text.into()))
    }

    fn line(&mut self) -> Result<String> {
        let rest = &self.bytes[self.at..];
        let end = rest
            .iter()
            .position(|&b| b == b'\n')
            .ok_or("ends too early")?;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| "holds text that is none")?;
        self.at += end + 1;
        Ok(line.to_owned())
    }
}

fn known(module: &str, name: &str) -> Result<Global> {
    global(module, name).ok_or_else(|| {
        let (module, name) = (shown(module), shown(name));
        format!("asks for `{module}.{name}`, which no weights need: it could run code")
    })
}

fn count(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| "has a negative size".to_owned())
}

/// A little-endian integer in two's complement of any length.
fn long(bytes: &[u8]) -> Object {
    if bytes.len() > 8 {
        return Object::Number;
    }
    let negative = bytes.last().is_some_and(|&b| b & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Object::Int(i64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        Machine::new(bytes).tensors().expect_err("refused")
    }

    #[test]
    fn attack_pickles_that_would_execute() {
        for module in ["os", "posix", "builtins", "torch", "collections"] {
            let by_line = [
                b"c",
                module.as_bytes(),
                b"\nsystem\n(X\x02\x00\x00\x00lstR.",
            ]
            .concat();
            assert!(problem(&by_line).contains("could run code"), "{module}");
            let length = [module.len() as u8];
            let by_stack = [
                b"\x80\x04\x8c",
                &length[..],
                module.as_bytes(),
                b"\x8c\x06system\x93)R.",
            ]
            .concat();
            assert!(problem(&by_stack).contains("could run code"), "{module}");
        }
        // INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1, PERSID.
        for bytes in [
            &b"(ios\nsystem\n."[..],
            b"(o.",
            b"))\x81.",
            b")}}\x92.",
            b"\x82\x01.",
            b"Pxyz\n.",
        ] {
            assert!(problem(bytes).contains("uses the operation"), "{bytes:?}");
        }
        assert!(problem(b"ctorch\nFloatStorage\n)R.").contains("calls a function"));
    }

    #[test]
    fn attack_pickles_that_never_end_or_lie() {
        let cases: [(&[u8], &str); 10] = [
            (b"]q\x00h\x00a.", "no dictionary"),
            (b"h\x07.", "not remembered"),
            (b"}(K\x01u.", "without a value"),
            (b"u.", "more than there is"),
            (b"\x85.", "more than there is"),
            (b"X\xff\xff\xff\xffx.", "too early"),
            (b"\x8a\xffx.", "too early"),
            (b"}}.", "before it is whole"),
            (b"", "too early"),
            (b".", "more than there is"),
        ];
        for (bytes, expected) in cases {
            assert!(problem(bytes).contains(expected), "{bytes:?}");
        }
        let many = [b"}".repeat(MOST_OBJECTS + 2), b".".to_vec()].concat();
        assert!(problem(&many).contains("too many objects"));
    }
}
