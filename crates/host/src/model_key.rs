//! A model server's key, as a person types it into the dialog.

use tidegate_protocol::payload::surface_params::{AddProvider, SecretParam};
use tidegate_protocol::text;
use tidegate_providers::base_url::BaseUrl;
use tidegate_providers::http::{Endpoint, Http};
use tidegate_providers::key::BoundKey;
use tidegate_providers::model_list::model_list;

use crate::running::RunningHost;

impl RunningHost {
    /// Asks a model server for its models with a key, and keeps the key when it answers. An empty key
    /// is for a server that needs none. What is sent goes to this address and to no other.
    ///
    /// # Errors
    /// A sentence for the person. Nothing is kept then.
    pub async fn keep_model_key(&self, id: &str, base_url: &str, key: &str) -> Result<(), String> {
        let base = BaseUrl::parse(base_url.trim()).map_err(|error| text::sentence(&error.to_string()))?;
        let key = key.trim();
        let endpoint = match key.is_empty() {
            true => Endpoint::open(base),
            false => BoundKey::new(base, key)
                .and_then(|key| Endpoint::keyed(key, false))
                .map_err(|error| format!("The key: {error}."))?,
        };
        let models = model_list(&Http::default(), &endpoint).await.map_err(|error| format!("{error}."))?;
        if models.is_empty() {
            return Err("The server answers, but it has no model for conversations.".to_owned());
        }
        let provider = AddProvider {
            id: id.trim().to_owned(),
            base_url: base_url.trim().to_owned(),
            models,
            key: (!key.is_empty()).then(|| SecretParam::new(key.to_owned())),
            key_ref: None,
        };
        self.services.control.models.add_listed(provider).await?;
        self.gateway.models_changed();
        Ok(())
    }
}
