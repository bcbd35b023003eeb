"""Running generated code where it can do no harm: a locked child process for each candidate.

* :mod:`~lemonade_es.trainer.isolation.level` says which levels this machine can be asked for;
* :mod:`~lemonade_es.trainer.isolation.shelter` takes the best of them that its canaries prove (parent side);
* :mod:`~lemonade_es.trainer.isolation.proof` sends the canaries out, and
  :mod:`~lemonade_es.trainer.isolation.canary` is what they try;
* :mod:`~lemonade_es.trainer.isolation.nursery` starts the zygote and hands out its children (parent side);
* :mod:`~lemonade_es.trainer.isolation.housing`, :mod:`~lemonade_es.trainer.isolation.bubblewrap` and
  :mod:`~lemonade_es.trainer.isolation.container` are the places where the zygote can live;
* :mod:`~lemonade_es.trainer.isolation.zygote` imports torch once and forks a child for each job;
* :mod:`~lemonade_es.trainer.isolation.lock` takes every right from that child before it sees the candidate;
* :mod:`~lemonade_es.trainer.isolation.bench` is what the locked child does on the parent's command;
* :mod:`~lemonade_es.trainer.isolation.protocol` is all that they say to each other.

The parent holds the validation labels, the clock and the energy meter; none of them enters the child.
"""
