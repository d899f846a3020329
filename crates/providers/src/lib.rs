//! Tidegate's models: any OpenAI-compatible server, servers found on this computer, and the
//! built-in offline model, behind the agent runtime's ports `Model` and `ModelDirectory`.

pub mod base_url;
pub mod directory;
pub mod http;
pub mod key;
pub mod local;
pub mod local_model;
pub mod model_list;
pub mod offline;
pub mod openai;
