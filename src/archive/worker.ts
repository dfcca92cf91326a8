// A thread that unpacks archives: the entry of a bundle of its own.
import { extract, type UnpackJob } from './extract.ts';
import { serveJobs } from './serve-jobs.ts';
import { StoppableSource } from './stoppable-source.ts';

serveJobs((job: UnpackJob, source) => extract(new StoppableSource(source), job));
