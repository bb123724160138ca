//! Defines the processes: the API and the services of each. A new service is one line here.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::listen::{Door, Listen};
use super::running::{self, Process};
use super::service::Service;
use super::sources::{ClusterAccess, Sources};
use super::{Acting, Labelling, Node, NodeError, Webhook, acting, deciding};
use crate::api::{self, Access, Status};
use crate::audit::{self, Auditor};
use crate::engine::{Engine, EngineError, member};
use crate::kubernetes::Cluster;
use crate::log::SharedLog;
use crate::log::kafka::KafkaLog;
use crate::processor::Options;
use crate::telemetry::Telemetry;

/// Interval at which a member checks whether its thread has ended.
const LOOK: Duration = Duration::from_millis(500);

/// Called with the address of the API once it listens.
pub type Told<'a> = &'a mut dyn FnMut(&str) -> Result<(), NodeError>;

/// `clade run`: everything in one process.
pub fn run(
    engine: Arc<Engine>,
    telemetry: &Telemetry,
    listen: Listen,
    (key, audit): (&str, Option<Auditor>),
    (sources, acting, webhook): (Sources, Acting, Option<Webhook>),
    told: Told<'_>,
) -> Result<(), NodeError> {
    let node = Node::new(SharedLog::clone(engine.log()), telemetry)
        .with_engine(Arc::clone(&engine))
        .with_audit(audit.as_ref().map(|auditor| auditor.trail().clone()))
        .with_publisher(sources.settle)?;
    let build = async || {
        let cluster = sources.connect().await?;
        if acting.reports && cluster.is_none() {
            return Err(NodeError::Usage("--reports writes to a cluster: add --kubernetes".to_owned()));
        }
        let is_declared_in_kubernetes = cluster.is_some();
        let lease = cluster.clone().zip(sources.cluster.clone());
        let (mut led, notifications) = node.sources(sources, cluster.as_ref())?;
        let Door { access, tls, looking } = listen.open().await?;
        let mut always = vec![acting::engine(Arc::clone(&engine))];
        always.extend(looking);
        always.extend(audit.map(auditor_service));
        if let Some(webhook) = webhook {
            always.extend(node.admission(webhook, &of_admission(cluster.as_ref()).await?).await?);
        }
        let Labelling { rate, workloads } = acting.labelling;
        led.extend(cluster.clone().map(|cluster| acting::labels(&node, cluster, rate)));
        let of_owners = cluster.clone().filter(|_| workloads);
        led.extend(of_owners.map(|cluster| acting::owners(&node, Arc::clone(&engine), cluster, rate)));
        led.extend(cluster.clone().map(|cluster| acting::running(Arc::clone(&engine), cluster)));
        led.push(deciding::decisions(&node, Arc::clone(&engine), cluster.clone()));
        let of_reports = cluster.clone().filter(|_| acting.reports);
        let named = lease.as_ref().and_then(|(_, access)| access.lease.as_ref());
        led.extend(of_reports.map(|cluster| acting::reports(&node, cluster, named)));
        if cluster.is_some() || acting.sink.is_some() {
            led.push(acting::rebuilds(&node, engine, cluster, acting.sink, acting.rebuilds));
        }
        let router = api::known_hosts(node.router(access, is_declared_in_kubernetes), &listen.hosts);
        let router = api::identified(router, key).merge(notifications);
        Ok(Process { listen: listen.address(), tls, router, always, led, lease })
    };
    running::run(build, told)
}

/// `clade watch`: publishes observations of the sources to Apache Kafka, and takes declarations.
pub fn watch(
    log: SharedLog,
    telemetry: &Telemetry,
    listen: Listen,
    sources: Sources,
    told: Told<'_>,
) -> Result<(), NodeError> {
    let node = Node::new(log, telemetry).with_publisher(sources.settle)?;
    let build = async || {
        let cluster = sources.connect().await?;
        let is_declared_in_kubernetes = cluster.is_some();
        let lease = cluster.clone().zip(sources.cluster.clone());
        let (led, notifications) = node.sources(sources, cluster.as_ref())?;
        let Door { access, tls, looking } = listen.open().await?;
        let router = api::known_hosts(node.router(access, is_declared_in_kubernetes), &listen.hosts);
        let router = router.merge(notifications);
        Ok(Process { listen: listen.address(), tls, router, always: looking, led, lease })
    };
    running::run(build, told)
}

/// `clade process`: processes the partitions that the consumer group assigns to this process.
pub fn process(
    log: Arc<KafkaLog>,
    options: &Options,
    listen: SocketAddr,
    told: Told<'_>,
) -> Result<(), NodeError> {
    let handle = member::Handle::default();
    let asked = handle.clone();
    let status = move || {
        let waiting = || "the group has assigned no partitions to this process yet".to_owned();
        Status::new(asked.status(), (!asked.has_joined()).then(waiting))
    };
    let router = api::probes(options.metrics.clone(), Arc::new(status), &Access::default());
    let options = options.clone();
    // The member joins only when the process listens: a process that cannot start must not move everybody's partitions.
    let always =
        vec![Service::new("member", async move { Member::start(log, options, handle)?.ended().await })];
    running::run(
        async || Ok(Process { listen, tls: None, router, always, led: Vec::new(), lease: None }),
        told,
    )
}

/// `clade serve`: answers queries.
pub fn serve(
    engine: Arc<Engine>,
    telemetry: &Telemetry,
    listen: Listen,
    told: Told<'_>,
) -> Result<(), NodeError> {
    let node = Node::new(SharedLog::clone(engine.log()), telemetry).with_engine(Arc::clone(&engine));
    let build = async || {
        let Door { access, tls, looking } = listen.open().await?;
        let mut always = vec![acting::engine(engine)];
        always.extend(looking);
        let router = api::known_hosts(node.router(access, false), &listen.hosts);
        Ok(Process { listen: listen.address(), tls, router, always, led: Vec::new(), lease: None })
    };
    running::run(build, told)
}

/// `clade admit`: answers queries, and API servers that ask whether a pod may run.
pub fn admit(
    engine: Arc<Engine>,
    telemetry: &Telemetry,
    listen: Listen,
    (of_cluster, webhook, has_reports): (ClusterAccess, Webhook, bool),
    told: Told<'_>,
) -> Result<(), NodeError> {
    let node = Node::new(SharedLog::clone(engine.log()), telemetry).with_engine(Arc::clone(&engine));
    let build = async || {
        let cluster = of_cluster.connect().await?;
        let Door { access, tls, looking } = listen.open().await?;
        let mut always = vec![acting::engine(Arc::clone(&engine))];
        always.extend(looking);
        always.extend(node.admission(webhook, &cluster).await?);
        // Without a lease, replicas would take the right to decide from each other.
        let lease = of_cluster.lease.is_some().then_some((cluster.clone(), of_cluster));
        let mut led = Vec::new();
        if lease.is_some() {
            led.push(deciding::decisions(&node, Arc::clone(&engine), Some(cluster.clone())));
            let named = lease.as_ref().and_then(|(_, access)| access.lease.as_ref());
            led.extend(has_reports.then(|| acting::reports(&node, cluster.clone(), named)));
            led.push(acting::running(engine, cluster));
        }
        let router = api::known_hosts(node.router(access, false), &listen.hosts);
        Ok(Process { listen: listen.address(), tls, router, always, led, lease })
    };
    running::run(build, told)
}

/// The cluster whose pods are judged: the one that is a source, or else the one of the pod or kubeconfig.
async fn of_admission(source: Option<&Cluster>) -> Result<Cluster, NodeError> {
    match source {
        Some(cluster) => Ok(cluster.clone()),
        None => Ok(Cluster::new(None).await?),
    }
}

/// `clade label`: labels Image objects; and workloads, if there is an engine that knows them.
pub fn label(
    log: SharedLog,
    telemetry: &Telemetry,
    listen: SocketAddr,
    (access, rate, engine): (ClusterAccess, Option<NonZeroU32>, Option<Arc<Engine>>),
    told: Told<'_>,
) -> Result<(), NodeError> {
    let node = Node::new(log, telemetry);
    let build = async || {
        let cluster = access.connect().await?;
        let mut led = vec![acting::labels(&node, cluster.clone(), rate)];
        let of_owners = |engine| acting::owners(&node, engine, cluster.clone(), rate);
        led.extend(engine.clone().map(of_owners));
        let always = engine.iter().cloned().map(acting::engine).collect();
        let of = engine;
        let status = move || Status::new(of.as_ref().map_or_else(Vec::new, |of| of.status()), None);
        let router = api::probes(telemetry.metrics.clone(), Arc::new(status), &Access::default());
        Ok(Process { listen, tls: None, router, always, led, lease: Some((cluster, access)) })
    };
    running::run(build, told)
}

/// `clade rebuilder`: carries out rebuilds, and answers queries.
pub fn rebuilder(
    engine: Arc<Engine>,
    telemetry: &Telemetry,
    listen: Listen,
    (access, acting): (Option<ClusterAccess>, Acting),
    told: Told<'_>,
) -> Result<(), NodeError> {
    if access.is_none() && acting.sink.is_none() {
        return Err(NodeError::Usage(
            "say what is to carry rebuilds out: --kubernetes for BuildConfigs, --sink URL for everything else".to_owned(),
        ));
    }
    let node = Node::new(SharedLog::clone(engine.log()), telemetry).with_engine(Arc::clone(&engine));
    let build = async || {
        let cluster = match &access {
            Some(access) => Some(access.connect().await?),
            None => None,
        };
        let lease = cluster.clone().zip(access);
        let Door { access, tls, looking } = listen.open().await?;
        let mut always = vec![acting::engine(Arc::clone(&engine))];
        always.extend(looking);
        let led = vec![acting::rebuilds(&node, engine, cluster, acting.sink, acting.rebuilds)];
        let router = api::known_hosts(node.router(access, false), &listen.hosts);
        Ok(Process { listen: listen.address(), tls, router, always, led, lease })
    };
    running::run(build, told)
}

/// `clade auditor`: writes the audit trail.
pub fn auditor(
    auditor: Auditor,
    telemetry: &Telemetry,
    listen: SocketAddr,
    told: Told<'_>,
) -> Result<(), NodeError> {
    let handle = auditor.handle();
    let status = move || {
        let behind = || "what is on the log already is not in the trail yet".to_owned();
        Status::new(Vec::new(), (!handle.is_complete()).then(behind))
    };
    let router = api::probes(telemetry.metrics.clone(), Arc::new(status), &Access::default());
    let always = vec![auditor_service(auditor)];
    running::run(
        async || Ok(Process { listen, tls: None, router, always, led: Vec::new(), lease: None }),
        told,
    )
}

fn auditor_service(auditor: Auditor) -> Service {
    Service::new("audit", async move { Ok(audit::run(auditor).await?) })
}

impl Node {
    /// The services of the sources.
    fn sources(
        &self,
        sources: Sources,
        cluster: Option<&Cluster>,
    ) -> Result<(Vec<Service>, api::Router), NodeError> {
        let publishing = self.publishing.as_ref();
        let publishing =
            publishing.ok_or_else(|| NodeError::Ended("this process has no publisher".to_owned()))?;
        Ok(sources.services(publishing, &self.telemetry.metrics.registries, cluster))
    }
}

/// The thread of a member of the consumer group. Dropping it hands over the partitions, and waits for that.
struct Member {
    handle: member::Handle,
    thread: Option<JoinHandle<Result<(), EngineError>>>,
}

impl Member {
    fn start(log: Arc<KafkaLog>, options: Options, handle: member::Handle) -> Result<Self, NodeError> {
        let of = handle.clone();
        let run = move || member::run(log, &options, &of);
        let thread = std::thread::Builder::new().name("member".to_owned()).spawn(run)?;
        Ok(Self { handle, thread: Some(thread) })
    }

    /// Waits until the member has ended by itself, which it does only after an error.
    async fn ended(mut self) -> Result<(), NodeError> {
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(self.join()?)
    }

    fn join(&mut self) -> Result<(), EngineError> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(EngineError::Processor {
                partition: 0,
                reason: "the member has panicked; this is a bug in clade".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.handle.stop();
        if let Err(error) = self.join() {
            tracing::error!("the member of the group has ended: {error}");
        }
    }
}
