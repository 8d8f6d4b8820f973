use alloc::vec::Vec;

use crate::{abi, exchange::number, fetch, result, sys, Error};

/// Who speaks a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    None,
    System,
    User,
    Assistant,
    Tool,
}

/// What a text is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message's words.
    Text,
    /// A tool call's arguments, JSON inside a string.
    Arguments,
    /// What a tool gave back.
    ToolResult,
    /// A tool's name, description and parameter descriptions.
    ToolDef,
    /// The model's thinking.
    Reasoning,
    /// The model's refusal.
    Refusal,
    /// A short field with a form of its own.
    Structured,
}

/// One text of the conversation.
#[derive(Clone, Copy, Debug)]
pub struct Text(pub(crate) u32);

impl Text {
    fn info(&self) -> i32 {
        unsafe { sys::text_info(self.0) }.max(0)
    }

    /// Returns who speaks the text.
    pub fn role(&self) -> Role {
        match self.info() & abi::ROLE_MASK {
            1 => Role::System,
            2 => Role::User,
            3 => Role::Assistant,
            4 => Role::Tool,
            _ => Role::None,
        }
    }

    /// Returns what the text is.
    pub fn kind(&self) -> Kind {
        match self.info() >> abi::KIND_SHIFT & 0xff {
            1 => Kind::Arguments,
            2 => Kind::ToolResult,
            3 => Kind::ToolDef,
            4 => Kind::Reasoning,
            5 => Kind::Refusal,
            6 => Kind::Structured,
            _ => Kind::Text,
        }
    }

    /// Reports whether the text names a member of a tool call's arguments, which the model chose.
    pub fn is_key(&self) -> bool {
        self.info() & abi::KEY_BIT != 0
    }

    /// Returns the number of bytes of the text.
    pub fn len(&self) -> usize {
        unsafe { sys::text_get(self.0, core::ptr::null_mut(), 0) }.max(0) as usize
    }

    /// Reports whether the text has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the text into the guest. A filter that only looks for patterns uses `Set::text` and
    /// copies nothing.
    pub fn bytes(&self) -> Vec<u8> {
        fetch(1024, |b| unsafe { sys::text_get(self.0, b.as_mut_ptr(), b.len()) }).unwrap_or_default()
    }

    /// Puts another text in its place.
    pub fn replace(&self, with: &[u8]) -> Result<(), Error> {
        result(unsafe { sys::text_set(self.0, with.as_ptr(), with.len()) })
    }

    /// Replaces bytes from to to of the text; what stands outside keeps its bytes.
    pub fn splice(&self, from: usize, to: usize, with: &[u8]) -> Result<(), Error> {
        result(unsafe { sys::text_splice(self.0, from as u32, to as u32, with.as_ptr(), with.len()) })
    }
}

/// The text of one channel of the answer that this filter has not settled: what it held back and what
/// just came. What a handler does not hold is on its way to the client.
pub struct Window(Text);

impl Window {
    pub(crate) fn new() -> Window {
        Window(Text(0))
    }

    /// Returns where the text begins that the filter sees for the first time.
    pub fn fresh(&self) -> usize {
        number(abi::FRESH)
    }

    /// Reports whether nothing follows in this channel.
    pub fn is_final(&self) -> bool {
        self.0.info() & abi::FINAL_BIT != 0
    }

    /// Returns which choice and block of the answer the text belongs to.
    pub fn channel(&self) -> (usize, usize) {
        (number(abi::CHOICE), number(abi::BLOCK))
    }
}

impl core::ops::Deref for Window {
    type Target = Text;

    fn deref(&self) -> &Text {
        &self.0
    }
}
