import { EgressClient } from '@posthorn/egress/egress-client.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { NotificationRoutes, RunNotifications } from './application/run-notifications.js';
import { UserAgent } from './application/send-webhook.js';
import { MailRelay } from './clients/mail-relay.js';
import { TenantsClient } from './clients/tenants.client.js';
import { type Config } from './config.js';

/** Telling tenants what goes wrong. */
export const notificationProviders = ({ config, clock }: Process<Config>) => [
  provideValue(MailRelay, new MailRelay(config.smtpUrl, config.smtpFrom)),
  provide(NotificationRoutes, MailRelay),
  provideFactory(
    RunNotifications,
    (...[tenants, routes, egress, relay, agent, log, metrics]: Parts) =>
      new RunNotifications(tenants, routes, egress, relay, agent, clock, log, metrics),
    ...([TenantsClient, NotificationRoutes, EgressClient, MailRelay, UserAgent, Logger, Metrics] as const),
  ),
];

type Parts = [TenantsClient, NotificationRoutes, EgressClient, MailRelay, UserAgent, Logger, Metrics];
