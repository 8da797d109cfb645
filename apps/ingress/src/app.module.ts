import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { EgressClient } from '@posthorn/egress/egress-client.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { reportError } from '@posthorn/server/error-report.js';
import { Health } from '@posthorn/server/health.js';
import { processProviders } from '@posthorn/server/http-service.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { Tracer } from '@posthorn/server/trace.js';
import { AddressList } from './application/address-list.js';
import { AdmitRequest, UsualQuota } from './application/admit-request.js';
import { IntakePlace } from './application/arrived-request.js';
import { EnforceOptOuts, HOLD_MS } from './application/enforce-opt-outs.js';
import { IntakeReport } from './application/intake-report.js';
import { JudgeRefusals } from './application/judge-refusals.js';
import { KeepRefusals } from './application/keep-refusals.js';
import { LoopLoad } from './application/loop-load.js';
import { ReportSecretUse } from './application/report-secret-use.js';
import { ReprocessRequests } from './application/reprocess-requests.js';
import { SenderKeys } from './application/sender-keys.js';
import { SourceSettings } from './application/source-settings.js';
import { TakeRequest } from './application/take-request.js';
import { TakeUnsubscribe } from './application/take-unsubscribe.js';
import { UnderstandAgain } from './application/understand-again.js';
import { WatchShapes } from './application/watch-shapes.js';
import { AppendClient } from './clients/append.client.js';
import { EventsChannel, openAppendStream } from './clients/append-stream.js';
import { INTAKE_CONFIG_KINDS, openConfigStream, TenantsChannel } from './clients/config-stream.js';
import { DataKeyClient } from './clients/data-key.client.js';
import { RefusalClient } from './clients/refusal.client.js';
import { ReprocessingClient } from './clients/reprocessing.client.js';
import { ShapeClient } from './clients/shape.client.js';
import { applySignals, ComplianceChannel, SignalClient } from './clients/signal.client.js';
import { UsageClient } from './clients/usage.client.js';
import { type Config } from './config.js';
import { IntakeQuotas } from './domain/intake-quotas.js';
import { IntakeDoor } from './transport/intake-door.js';
import { shareQuotas } from './transport/share-quotas.js';
import { IntakeRoute } from './transport/intake-route.js';
import { UnsubscribeController } from './transport/unsubscribe.http.js';

/** How the keys that senders publish are fetched: a request may wait for it. */
const KEY_FETCH = {
  connectTimeoutMs: 1_000,
  headersTimeoutMs: 2_000,
  totalTimeoutMs: 2_500,
  connectionsPerOrigin: 2,
  originsMax: 256,
};

/** The composition root of ingress. */
@Module({})
export class AppModule {
  static of(process: Process<Config>, door: IntakeDoor): DynamicModule {
    const { config, clock } = process;
    const trust = { proxies: new AddressList(config.trustedProxies), hops: config.trustedProxyHops };
    const place = new IntakePlace(trust, config.publicIngressUrl, config.clientCertificateHeader);
    const { intakeRatePerSecond: ratePerSecond, intakeBurst: burst } = config;
    const quotas = new IntakeQuotas();
    shareQuotas(quotas, () => clock.monotonicMs());
    const egress = new EgressClient(clock, { ...KEY_FETCH, allowLoopback: config.allowLoopbackKeys });
    return {
      module: AppModule,
      controllers: [UnsubscribeController],
      providers: [
        ...processProviders(process),
        ...clients(process),
        provideValue(IntakeDoor, door),
        provideValue(EgressClient, egress),
        provideValue(IntakePlace, place),
        provideValue(IntakeQuotas, quotas),
        provideValue(UsualQuota, new UsualQuota(ratePerSecond, burst)),
        provideValue(SourceSettings, new SourceSettings()),
        provideValue(LoopLoad, new LoopLoad(config.loopDelayMsMax)),
        provide(IntakeReport, Metrics, Logger, Clock),
        provide(EnforceOptOuts, SignalClient, Clock, Logger, Metrics),
        provide(SenderKeys, EgressClient, Clock, Logger, Metrics),
        provide(KeepRefusals, RefusalClient, Clock, Logger, Metrics),
        provide(ReportSecretUse, UsageClient, Logger),
        provide(WatchShapes, ShapeClient, Clock, Logger, Metrics),
        provide(
          AdmitRequest,
          ...([EdgeConfig, SourceSettings, IntakeQuotas, UsualQuota, LoopLoad, IntakeReport, Clock] as const),
        ),
        provide(
          TakeRequest,
          ...([EdgeConfig, SourceSettings, SenderKeys, AppendClient, EnforceOptOuts] as const),
          ...([
            KeepRefusals,
            ReportSecretUse,
            WatchShapes,
            IntakeReport,
            Tracer,
            Clock,
            IntakePlace,
          ] as const),
        ),
        provide(
          TakeUnsubscribe,
          ...([EdgeConfig, AppendClient, EnforceOptOuts, IntakeQuotas] as const),
          ...([LoopLoad, IntakeReport, Tracer, Clock] as const),
        ),
        provide(JudgeRefusals, RefusalClient, TakeRequest, EdgeConfig, Clock, Logger, Metrics),
        provide(
          UnderstandAgain,
          ...([EdgeConfig, SourceSettings, DataKeyClient, ReprocessingClient, AppendClient] as const),
          ...([EnforceOptOuts, IntakeReport, IntakePlace] as const),
        ),
        provide(ReprocessRequests, ReprocessingClient, UnderstandAgain, EdgeConfig, Clock, Logger, Metrics),
      ],
    };
  }

  constructor(
    health: Health,
    config: EdgeConfig,
    report: IntakeReport,
    keys: SenderKeys,
    settings: SourceSettings,
    door: IntakeDoor,
    admission: AdmitRequest,
    intake: TakeRequest,
    log: Logger,
    clock: Clock,
  ) {
    health.add('config', () => config.isReady || 'no snapshot of the configuration yet');
    health.add('append', () => report.isConnected || 'no stream to the event log');
    keys.follow(config, settings);
    const outside = (error: unknown, where: string): AppError => reportError(error, where, log, clock);
    door.open(new IntakeRoute({ admission, intake, outside }));
  }
}

/** Who is spoken to. */
function clients(process: Process<Config>): NonNullable<DynamicModule['providers']> {
  const { config, clock, log, service, instanceId } = process;
  const watch = { service, instanceId, kinds: INTAKE_CONFIG_KINDS };
  return [
    provideValue(TenantsChannel, new TenantsChannel(process, config.tenantsAddress, 'tenants')),
    provideValue(EventsChannel, new EventsChannel(process, config.eventsAddress, 'events')),
    provideValue(ComplianceChannel, new ComplianceChannel(process, config.complianceAddress, 'compliance')),
    provideFactory(
      EdgeConfig,
      (channel: TenantsChannel) => new EdgeConfig(() => openConfigStream(channel), clock, log, watch),
      TenantsChannel,
    ),
    provideFactory(
      AppendClient,
      (channel: EventsChannel, report: IntakeReport) =>
        new AppendClient(() => openAppendStream(channel), clock, report),
      EventsChannel,
      IntakeReport,
    ),
    provideFactory(
      SignalClient,
      (channel: ComplianceChannel) => new SignalClient(applySignals(channel, HOLD_MS), clock),
      ComplianceChannel,
    ),
    provideFactory(
      RefusalClient,
      (channel: EventsChannel) => new RefusalClient(channel, instanceId),
      EventsChannel,
    ),
    provideFactory(
      ReprocessingClient,
      (channel: EventsChannel) => new ReprocessingClient(channel, instanceId),
      EventsChannel,
    ),
    provide(DataKeyClient, TenantsChannel),
    provide(UsageClient, TenantsChannel),
    provide(ShapeClient, EventsChannel),
  ];
}
