import { AuditController } from './audit.http.js';
import { ConsentsController } from './consents.http.js';
import { ConversationsController } from './conversations.http.js';
import { DecisionsController } from './decisions.http.js';
import { DeliveriesController } from './deliveries.http.js';
import { DestinationsController } from './destinations.http.js';
import { EventsController } from './events.http.js';
import { IntakeController } from './intake.http.js';
import { KeysController } from './keys.http.js';
import { MediaController } from './media.http.js';
import { MessagesController } from './messages.http.js';
import { NotificationsController } from './notifications.http.js';
import { OperatorsController } from './operators.http.js';
import { OverviewController } from './overview.http.js';
import { PeopleController } from './people.http.js';
import { PoliciesController } from './policies.http.js';
import { ProvidersController } from './providers.http.js';
import { ReadinessController } from './readiness.http.js';
import { ReceiptsController } from './receipts.http.js';
import { ReprocessingController } from './reprocessing.http.js';
import { ReviewsController } from './reviews.http.js';
import { routesOf } from './route.js';
import { RulesController } from './rules.http.js';
import { SourcesController } from './sources.http.js';
import { StopsController } from './stops.http.js';
import { SuppressionsController } from './suppressions.http.js';
import { TenantsController } from './tenants.http.js';

/** The controllers of the documented API; their order is the order in the documents. */
export const CONTROLLERS = [
  TenantsController,
  KeysController,
  SourcesController,
  ReadinessController,
  ProvidersController,
  DestinationsController,
  NotificationsController,
  EventsController,
  MediaController,
  IntakeController,
  ReprocessingController,
  MessagesController,
  ConversationsController,
  RulesController,
  DeliveriesController,
  SuppressionsController,
  ReviewsController,
  ConsentsController,
  PeopleController,
  DecisionsController,
  PoliciesController,
  StopsController,
  AuditController,
  ReceiptsController,
  OperatorsController,
  OverviewController,
];

/** Every operation of the API. */
export const ROUTES = CONTROLLERS.flatMap((controller) => routesOf(controller as never));
