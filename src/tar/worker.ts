// A thread that unpacks archives: the entry of a bundle of its own.
import { serveJobs } from '../worker/serve-jobs.ts';
import { StoppableSource } from '../worker/stoppable-source.ts';
import { extract, type UnpackJob } from './extract.ts';

serveJobs((job: UnpackJob, channel) => extract(new StoppableSource(channel.receive()), job));
