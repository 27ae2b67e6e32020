//! Fenced code blocks of a Markdown document, line by line, each with its place in the source.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::{At, Excerpt};

/// A fenced code block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The info string.
    pub info: String,
    /// Line of the opening fence, from 1.
    pub line: u32,
    /// What Markdown puts before each line of the block: list indentation, quotation marks.
    pub prefix: String,
    /// Column of the info string, from 1.
    info_column: u32,
    /// The lines, without their ends.
    pub lines: Vec<Line>,
}

/// A line of a code block.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The text.
    pub text: String,
    /// Line of the document, from 1.
    pub number: u32,
}

impl Block {
    /// Where the info string stands.
    pub(super) fn info_at(&self) -> At {
        At { line: self.line, column: self.info_column, length: self.info.trim().chars().count() as u32 }
    }

    /// A place within line `index`.
    pub(super) fn at(&self, index: usize, column: usize, length: usize) -> At {
        let line = self.lines.get(index).map_or(self.line, |l| l.number);
        At { line, column: self.indent() + column as u32 + 1, length: length as u32 }
    }

    /// The lines `from..to` as a text of their own.
    pub(super) fn excerpt(&self, from: usize, to: usize) -> Excerpt {
        let line = self.lines.get(from).map_or(self.line + 1, |l| l.number);
        let mut text = String::new();
        for l in &self.lines[from..to] {
            text.push_str(&l.text);
            text.push('\n');
        }
        Excerpt { text, line, indent: self.indent() }
    }

    fn indent(&self) -> u32 {
        self.prefix.chars().count() as u32
    }
}

/// All fenced code blocks of `text`, in order.
pub(super) fn fenced(text: &str) -> Vec<Block> {
    let lines = LineIndex::new(text);
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    // A line may come in several pieces: `fresh` says that the next piece starts a new one.
    let mut fresh = true;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                open = true;
                fresh = true;
                blocks.push(open_block(text, &lines, range.start, &info));
            }
            Event::End(TagEnd::CodeBlock) => open = false,
            Event::Text(piece) if open => {
                let Some(block) = blocks.last_mut() else { continue };
                let mut offset = range.start;
                for part in piece.split_inclusive('\n') {
                    if fresh {
                        block.lines.push(Line { text: String::new(), number: lines.number(offset) });
                    }
                    if let Some(line) = block.lines.last_mut() {
                        line.text.push_str(part.trim_end_matches(['\n', '\r']));
                    }
                    fresh = part.ends_with('\n');
                    offset += part.len();
                }
            }
            _ => {}
        }
    }
    blocks
}

fn open_block(text: &str, lines: &LineIndex, start: usize, info: &str) -> Block {
    let line = lines.number(start);
    let before = &text[lines.start(line)..start];
    // A list item's marker stands on the first line only; on the others there are spaces.
    let prefix = before.chars().map(|c| if c == '>' || c.is_whitespace() { c } else { ' ' }).collect();
    let fence = text[start..].lines().next().unwrap_or_default();
    let into_fence = fence.find(info).filter(|_| !info.is_empty()).unwrap_or(0);
    let info_column = (before.chars().count() + fence[..into_fence].chars().count()) as u32 + 1;
    Block { info: info.to_owned(), line, prefix, info_column, lines: Vec::new() }
}

/// Where each line of a text starts.
struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Self { starts }
    }

    fn number(&self, offset: usize) -> u32 {
        self.starts.partition_point(|s| *s <= offset) as u32
    }

    fn start(&self, number: u32) -> usize {
        self.starts.get(number as usize - 1).copied().unwrap_or(0)
    }
}
