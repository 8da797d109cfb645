import { type DynamicModule, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Clock } from '@posthorn/clock/clock.js';
import { openChannel } from '@posthorn/server/grpc-client.js';
import { processProviders } from '@posthorn/server/http-service.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideValue } from '@posthorn/server/provide.js';
import { CheckReadiness } from './application/check-readiness.js';
import { DeleteTenant } from './application/delete-tenant.js';
import { ErasePerson } from './application/erase-person.js';
import { ExplainEvent } from './application/explain-event.js';
import { ExplainMessage } from './application/explain-message.js';
import { ExplainPerson } from './application/explain-person.js';
import { ListRetentionRuns } from './application/list-retention-runs.js';
import { NoteRefusals } from './application/note-refusals.js';
import { PutPolicy } from './application/put-policy.js';
import { ReadErasure } from './application/read-erasure.js';
import { ReadOverview } from './application/read-overview.js';
import { SignReceipt } from './application/sign-receipt.js';
import { VerifyAudit } from './application/verify-audit.js';
import { ComplianceClient } from './clients/compliance.client.js';
import { DispatcherClient } from './clients/dispatcher.client.js';
import { EventsClient } from './clients/events.client.js';
import { TenantsClient } from './clients/tenants.client.js';
import { type Config } from './config.js';
import { KeyQuota } from './domain/key-quota.js';
import { Admission } from './transport/admission.js';
import { CONTROLLERS, ROUTES } from './transport/controllers.js';
import { DocumentationController, Documented } from './transport/documentation.http.js';
import { PublicUrls } from './transport/public-urls.js';

/** The version of the REST API's contract. */
const API_VERSION = '1.0.0';

/** The composition root of api. */
@Module({})
export class AppModule {
  static of(process: Process<Config>): DynamicModule {
    const { config } = process;
    const channel = (address: string, peer: string) => openChannel(process, address, peer);
    return {
      module: AppModule,
      controllers: [...CONTROLLERS, DocumentationController],
      providers: [
        ...processProviders(process),
        provideValue(TenantsClient, new TenantsClient(channel(config.tenantsAddress, 'tenants'))),
        provideValue(EventsClient, new EventsClient(channel(config.eventsAddress, 'events'))),
        provideValue(ComplianceClient, new ComplianceClient(channel(config.complianceAddress, 'compliance'))),
        provideValue(DispatcherClient, new DispatcherClient(channel(config.dispatcherAddress, 'dispatcher'))),
        provide(ExplainEvent, EventsClient, DispatcherClient),
        provide(ExplainMessage, EventsClient, DispatcherClient),
        provide(ExplainPerson, EventsClient, ComplianceClient, DispatcherClient),
        provide(VerifyAudit, TenantsClient),
        provide(CheckReadiness, TenantsClient, EventsClient, DispatcherClient, VerifyAudit),
        provide(ReadOverview, TenantsClient, EventsClient, ComplianceClient, DispatcherClient, Clock),
        provide(SignReceipt, TenantsClient),
        provide(DeleteTenant, TenantsClient, EventsClient, DispatcherClient, ComplianceClient, SignReceipt),
        provide(ReadErasure, EventsClient, TenantsClient, SignReceipt),
        provide(
          ErasePerson,
          ...([EventsClient, ComplianceClient, DispatcherClient, TenantsClient, SignReceipt, Clock] as const),
        ),
        provide(ListRetentionRuns, EventsClient, DispatcherClient),
        provide(PutPolicy, ComplianceClient, TenantsClient),
        provideValue(PublicUrls, new PublicUrls(config.publicIngressUrl.replace(/\/$/, ''))),
        provideValue(Documented, new Documented(ROUTES, API_VERSION)),
        provide(NoteRefusals, TenantsClient, Logger, Metrics),
        provideValue(KeyQuota, new KeyQuota(config.apiRatePerSecond, config.apiBurst)),
        // For every route of every controller: none can be left open by forgetting a decorator.
        { provide: APP_INTERCEPTOR, useClass: Admission },
      ],
    };
  }
}
