// Why relative: test/ is the judges' own project, which no package may depend on; what its fakes take, and how they
// fail, is what a sender is measured by.
/* eslint-disable @nx/enforce-module-boundaries */
export { type Accepted, type FakeProvider, type Fault } from '../../../test/src/fakes/fake-provider.js';
export { FakeFcm } from '../../../test/src/fakes/fcm.js';
export { FakeEndpoint } from '../../../test/src/fakes/generic.js';
export { FakeSendgrid } from '../../../test/src/fakes/sendgrid.js';
export { FakeTelnyx } from '../../../test/src/fakes/telnyx.js';
export { FakeTwilio } from '../../../test/src/fakes/twilio.js';
export { FakeVonage } from '../../../test/src/fakes/vonage.js';
export { FakeWhatsapp } from '../../../test/src/fakes/whatsapp.js';
export { FakeMediaHost } from '../../../test/src/fakes/media-host.js';
