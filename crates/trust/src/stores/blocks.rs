//! What is refused for good.

use crate::pairing::Subject;
use crate::records::Block;

/// The blocks, oldest first; one for each subject.
#[derive(Debug, Default)]
pub(crate) struct BlockStore(Vec<Block>);

impl BlockStore {
    pub(crate) fn of(blocks: Vec<Block>) -> Self {
        Self(blocks)
    }

    pub(crate) fn all(&self) -> &[Block] {
        &self.0
    }

    pub(crate) fn contains(&self, subject: &Subject) -> bool {
        self.0.iter().any(|block| &block.subject == subject)
    }

    pub(crate) fn put(&mut self, block: Block) {
        self.take(&block.subject);
        self.0.push(block);
    }

    pub(crate) fn take(&mut self, subject: &Subject) -> Option<Block> {
        let position = self.0.iter().position(|block| &block.subject == subject)?;
        Some(self.0.remove(position))
    }
}
