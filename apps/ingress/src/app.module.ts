import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { Health } from '@posthorn/server/health.js';
import { processProviders } from '@posthorn/server/http-service.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { Tracer } from '@posthorn/server/trace.js';
import { AddressList } from './application/address-list.js';
import { EnforceOptOuts, HOLD_MS } from './application/enforce-opt-outs.js';
import { IntakeReport } from './application/intake-report.js';
import { SourceSettings } from './application/source-settings.js';
import { IntakePlace, TakeRequest } from './application/take-request.js';
import { AppendClient } from './clients/append.client.js';
import { EventsChannel, openAppendStream } from './clients/append-stream.js';
import { INTAKE_CONFIG_KINDS, openConfigStream, TenantsChannel } from './clients/config-stream.js';
import { ComplianceChannel, SignalClient, signalClient } from './clients/signal.client.js';
import { type Config } from './config.js';
import { TenantQuota } from './domain/tenant-quota.js';
import { IntakeController } from './transport/intake.http.js';

/** The composition root of ingress. */
@Module({})
export class AppModule {
  static of(process: Process<Config>): DynamicModule {
    const { config, clock, log, service, instanceId } = process;
    const trust = { proxies: new AddressList(config.trustedProxies), hops: config.trustedProxyHops };
    const watch = { service, instanceId, kinds: INTAKE_CONFIG_KINDS };
    // Connections spread evenly over the processes, so each enforces its share of a tenant's quota.
    const share = (whole: number): number => Math.max(1, whole / config.ingressProcesses);
    const quota = new TenantQuota(share(config.intakeRatePerSecond), share(config.intakeBurst));
    return {
      module: AppModule,
      controllers: [IntakeController],
      providers: [
        ...processProviders(process),
        provideValue(TenantsChannel, new TenantsChannel(process, config.tenantsAddress, 'tenants')),
        provideValue(EventsChannel, new EventsChannel(process, config.eventsAddress, 'events')),
        provideFactory(
          EdgeConfig,
          (channel: TenantsChannel) => new EdgeConfig(() => openConfigStream(channel), clock, log, watch),
          TenantsChannel,
        ),
        provide(IntakeReport, Metrics, Logger, Clock),
        provideFactory(
          AppendClient,
          (channel: EventsChannel, report: IntakeReport) =>
            new AppendClient(() => openAppendStream(channel), clock, report),
          EventsChannel,
          IntakeReport,
        ),
        provideValue(
          ComplianceChannel,
          new ComplianceChannel(process, config.complianceAddress, 'compliance'),
        ),
        provideFactory(
          SignalClient,
          (channel: ComplianceChannel) => signalClient(channel, HOLD_MS),
          ComplianceChannel,
        ),
        provide(EnforceOptOuts, SignalClient, Clock, Logger, Metrics),
        provideValue(TenantQuota, quota),
        provideValue(IntakePlace, new IntakePlace(trust, config.publicIngressUrl)),
        provide(SourceSettings),
        provide(
          TakeRequest,
          ...([EdgeConfig, SourceSettings, TenantQuota, AppendClient, EnforceOptOuts] as const),
          ...([IntakeReport, Tracer, Clock, IntakePlace] as const),
        ),
      ],
    };
  }

  constructor(health: Health, config: EdgeConfig, report: IntakeReport) {
    health.add('config', () => config.isReady || 'no snapshot of the configuration yet');
    health.add('append', () => report.isConnected || 'no stream to the event log');
  }
}
