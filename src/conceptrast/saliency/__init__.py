"""Saliency: where in a picture a model looks, by class activation maps and by factorization of what it sees there.

``method:`` of a class activation map is a key of ``METHODS``; each is a class of the grad-cam package, or a variant of
one. Adding one is a line here. Left out: RandomCAM, which draws its weights (``conceptrast.saliency.chance_maps``
has maps that are drawn); FullGrad and guided backpropagation, which change modules of the network rather than read a
layer; FinerCAM, which is Grad-CAM once the target is a difference of classes; RefineCAM and SESS, which put maps of
several layers or crops together.
"""

CLASS_BLIND = frozenset({"eigen_cam", "fem", "kpca_cam"})
"""Methods that look at no class: their maps are the same whatever is asked."""

METHODS = {
    "ablation_cam": "conceptrast.saliency.cam_variants:AblationCAM",
    "eigen_cam": "pytorch_grad_cam:EigenCAM",
    "eigen_grad_cam": "pytorch_grad_cam:EigenGradCAM",
    "fem": "pytorch_grad_cam:FEM",
    "grad_cam": "pytorch_grad_cam:GradCAM",
    "grad_cam_elementwise": "pytorch_grad_cam:GradCAMElementWise",
    "grad_cam_plus_plus": "pytorch_grad_cam:GradCAMPlusPlus",
    "hires_cam": "pytorch_grad_cam:HiResCAM",
    "kpca_cam": "pytorch_grad_cam:KPCA_CAM",
    "layer_cam": "pytorch_grad_cam:LayerCAM",
    "score_cam": "conceptrast.saliency.cam_variants:ScoreCAM",
    "seg_eigen_cam": "pytorch_grad_cam:SegEigenCAM",
    "shapley_cam": "conceptrast.saliency.cam_variants:ShapleyCAM",
    "xgrad_cam": "pytorch_grad_cam:XGradCAM",
}
