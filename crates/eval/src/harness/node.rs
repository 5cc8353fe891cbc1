//! What task files and data sets hold: values as Python has them, in the order in which they were written.
//!
//! The order of keys is part of a document's hash, so the maps of `serde_json` will not do.

/// A value of a task file, a document or a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `None`.
    Null,
    /// `True`, `False`.
    Bool(bool),
    /// An `int` of 64 bits.
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Text(String),
    /// A `list`.
    List(Vec<Node>),
    /// A `dict`, each key once.
    Map(Vec<(String, Node)>),
    /// `!function` of a task file, as `folder/file.function`.
    Function(String),
}

impl Node {
    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else {
            return None;
        };
        let entry = entries.iter().find(|(name, _)| name == key);
        entry.map(|(_, value)| value)
    }

    /// Puts a value under a key, where it stood or at the end. On anything but a map it does nothing.
    pub fn set(&mut self, key: &str, value: Self) {
        let Self::Map(entries) = self else { return };
        match entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, place)) => *place = value,
            None => entries.push((key.to_owned(), value)),
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, where it is one.
    pub fn int(&self) -> Option<i64> {
        match *self {
            Self::Int(value) => Some(value),
            _ => None,
        }
    }

    /// As a number; `True` is 1.
    pub fn number(&self) -> Option<f64> {
        match *self {
            Self::Bool(value) => Some(f64::from(u8::from(value))),
            Self::Int(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The items, where it is a list.
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, where it is a map.
    pub fn entries(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A map of what is given, in that order.
pub(super) fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
    Node::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
}
