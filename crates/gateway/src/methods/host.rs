//! What the host of the gateway answers: models, configuration, log, secrets and the process.

use tidegate_protocol::params::{Empty, LogsTail, ModelsList, ModelsView};
use tidegate_protocol::payload::agents::ModelsListResult;
use tidegate_protocol::payload::files::{FilesListResult, SetAsideFileDetails};
use tidegate_protocol::payload::surface_params::{AddProvider, ById, ModelChoice};
use tidegate_protocol::payload::surfaces::{
    ConfigListResult, DoctorResult, ModelsAddResult, ModelsTestResult, ModelsUseResult, SelfTestResult,
    SharedTokenResult, StoppingResult, TidegateStatusResult,
};
use tidegate_protocol::payload::system::{ConfigGetResult, LogsTailResult};
use tidegate_protocol::{ErrorShape, rpc};

use crate::dispatch::{Caller, Handler};
use crate::host::Host;

impl Caller {
    fn host(&self) -> &dyn Host {
        &*self.gateway.inner().host
    }
}

impl Handler for rpc::ModelsList {
    async fn handle(caller: &Caller, params: ModelsList) -> Result<ModelsListResult, ErrorShape> {
        let mut list = caller.host().models().await?;
        if matches!(params.view, Some(ModelsView::Configured | ModelsView::ProviderConfig)) {
            // A server that was only found on this computer is not configured.
            list.models.retain(|model| !model.tags.iter().any(|tag| tag == "found"));
        }
        Ok(list)
    }
}

impl Handler for rpc::ConfigGet {
    async fn handle(caller: &Caller, _: Empty) -> Result<ConfigGetResult, ErrorShape> {
        Ok(caller.host().config())
    }
}

impl Handler for rpc::LogsTail {
    async fn handle(caller: &Caller, params: LogsTail) -> Result<LogsTailResult, ErrorShape> {
        caller.host().log_tail(params).await
    }
}

impl Handler for rpc::TidegateStatus {
    async fn handle(caller: &Caller, _: Empty) -> Result<TidegateStatusResult, ErrorShape> {
        let mut status = caller.host().status().await?;
        status.desktop = caller.gateway.surfaces();
        Ok(status)
    }
}

impl Handler for rpc::TidegateDoctor {
    async fn handle(caller: &Caller, _: Empty) -> Result<DoctorResult, ErrorShape> {
        Ok(caller.host().checks().await)
    }
}

impl Handler for rpc::TidegateConfigList {
    async fn handle(caller: &Caller, _: Empty) -> Result<ConfigListResult, ErrorShape> {
        let mut list = caller.host().config_file();
        let authority = caller.trust().authority();
        list.settings = authority.settings().iter().map(super::settings::payload).collect();
        Ok(list)
    }
}

impl Handler for rpc::TidegateTokenShow {
    async fn handle(caller: &Caller, _: Empty) -> Result<SharedTokenResult, ErrorShape> {
        Ok(caller.host().shared_token().await)
    }
}

impl Handler for rpc::TidegateModelsAdd {
    async fn handle(caller: &Caller, params: AddProvider) -> Result<ModelsAddResult, ErrorShape> {
        let answer = caller.host().add_provider(params).await?;
        caller.gateway.models_changed();
        Ok(answer)
    }
}

impl Handler for rpc::TidegateModelsUse {
    async fn handle(caller: &Caller, params: ModelChoice) -> Result<ModelsUseResult, ErrorShape> {
        let answer = caller.host().use_model(params).await?;
        caller.gateway.models_changed();
        Ok(answer)
    }
}

impl Handler for rpc::TidegateModelsTest {
    async fn handle(caller: &Caller, params: ModelChoice) -> Result<ModelsTestResult, ErrorShape> {
        caller.host().test_model(params).await
    }
}

impl Handler for rpc::TidegateFilesList {
    async fn handle(caller: &Caller, _: Empty) -> Result<FilesListResult, ErrorShape> {
        caller.host().set_aside_files().await
    }
}

impl Handler for rpc::TidegateFilesShow {
    async fn handle(caller: &Caller, params: ById) -> Result<SetAsideFileDetails, ErrorShape> {
        caller.host().set_aside_file(&params.id).await
    }
}

impl Handler for rpc::TidegateSelfTest {
    async fn handle(caller: &Caller, _: Empty) -> Result<SelfTestResult, ErrorShape> {
        caller.host().self_test().await
    }
}

impl Handler for rpc::TidegateStop {
    async fn handle(caller: &Caller, _: Empty) -> Result<StoppingResult, ErrorShape> {
        caller.host().stop();
        Ok(StoppingResult { stopping: true })
    }
}
