"""How much this library costs, beside what else talks to Kinto: ``make bench``."""
