import { AuditController } from './audit.http.js';
import { DeliveriesController } from './deliveries.http.js';
import { DestinationsController } from './destinations.http.js';
import { EventsController } from './events.http.js';
import { ProvidersController } from './providers.http.js';
import { routesOf } from './route.js';
import { SourcesController } from './sources.http.js';
import { SuppressionsController } from './suppressions.http.js';
import { TenantsController } from './tenants.http.js';

/** The controllers of the documented API; their order is the order in the documents. */
export const CONTROLLERS = [
  TenantsController,
  SourcesController,
  ProvidersController,
  DestinationsController,
  EventsController,
  DeliveriesController,
  SuppressionsController,
  AuditController,
];

/** Every operation of the API. */
export const ROUTES = CONTROLLERS.flatMap((controller) => routesOf(controller as never));
